"""The text that describes a simulated arm: `itl=0.010,machine=typical/3`, parsed once.

What each key means is told in the package's docstring; here is what each may hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlxbench.engines.sim.machine import MACHINES
from mlxbench.errors import InputError

EXAMPLE = "itl=0.010,machine=typical/3"


@dataclass(frozen=True, slots=True)
class Spec:
    """A simulated arm; the fields are the keys, with their units. `prefill_s` is per token."""

    itl_s: float
    prefill_s: float = 0.0005
    machine: str = "typical/0"
    load_s: float = 2.0
    load_cv: float = 0.0
    carry: float = 0.0
    fail: float = 0.0
    crash_at: int | None = None
    stop_at: int | None = None
    memory_bytes: int = 256 << 20


class Key(NamedTuple):
    """Where a key's value goes, what it must be, and how to read it (ValueError if it is not)."""

    field: str
    allowed: str
    read: Callable[[str], Any]


def parse(text: str) -> Spec:
    """The arm that `text` describes. Raises InputError."""
    values: dict[str, Any] = {}
    for part in text.split(",") if text else ():
        name, _, raw = part.partition("=")
        if name not in KEYS:
            raise InputError(f"a simulated arm has no key {name!r}", f"use {', '.join(KEYS)}")
        key = KEYS[name]
        if key.field in values:
            raise InputError(f"{name} is given twice in {text!r}", "give it once")
        try:
            values[key.field] = key.read(raw)
        except ValueError as error:
            raise InputError(f"{raw!r} is no {name}", f"write {name}= and {key.allowed}") from error
    if "itl_s" not in values:
        raise InputError(f"the simulated arm {text!r} has no itl", f"write, say, {EXAMPLE}")
    return Spec(**values)


def _number(field: str, unit: str, least: float, most: float) -> Key:
    def read(raw: str) -> float:
        return _within(float(raw), least, most)

    return Key(field, f"a number{unit} from {least:g} to {most:g}", read)


def _whole(field: str, unit: str, least: int, most: int) -> Key:
    def read(raw: str) -> int:
        return int(_within(int(raw), least, most))

    return Key(field, f"a whole number{unit} from {least} to {most}", read)


def _within(value: float, least: float, most: float) -> float:
    if not least <= value <= most:  # which also refuses NaN
        raise ValueError(value)
    return value


def _machine(raw: str) -> str:
    # One way to write each number, so that equal machines have equal names.
    if not re.fullmatch(rf"({'|'.join(MACHINES)})/(0|[1-9][0-9]{{0,8}})", raw):
        raise ValueError(raw)
    return raw


KEYS = {
    "itl": _number("itl_s", " of seconds", 1e-6, 3600.0),
    "prefill": _number("prefill_s", " of seconds", 1e-9, 3600.0),
    "machine": Key("machine", f"one of {', '.join(MACHINES)}, then / and a number", _machine),
    "load": _number("load_s", " of seconds", 0.0, 86400.0),
    "load_cv": _number("load_cv", "", 0.0, 1.0),
    "carry": _number("carry", "", 0.0, 1.0),
    "fail": _number("fail", "", 0.0, 1.0),
    "crash_at": _whole("crash_at", "", 0, 10**9),
    "stop_at": _whole("stop_at", "", 1, 10**9),
    "memory": _whole("memory_bytes", " of bytes", 0, 10**15),
}
