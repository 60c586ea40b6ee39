"""Arms as people write them: `ENGINE:MODEL[,key=value…]`.

`mlx:qwen3-4b,kv_bits=8` is qwen3-4b in process with a quantised KV cache. `ollama:qwen3:4b` is a
model of a server, by a tag of its own or by a registry name. `sim:itl=0.010` has no model: its keys
describe the simulated arm, and the task's and options' keys may follow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mlxbench.cli.reach import SERVERS, Reach
from mlxbench.cli.servers import server_target
from mlxbench.cli.targets import Request, resolve
from mlxbench.engines import sim
from mlxbench.errors import InputError
from mlxbench.records import Arm, Options, Target, Timed
from mlxbench.registry import ModelSpec

FORM = "ENGINE:MODEL[,key=value…], such as mlx:qwen3-4b,kv_bits=8"
LARGEST_COUNT = 10_000_000


def _count(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < 10
    if not digits or not 0 < int(text) <= LARGEST_COUNT:
        raise ValueError(f"a whole number from 1 to {LARGEST_COUNT:,}")
    return int(text)


def _generated(text: str) -> int:
    count = _count(text)
    if count < 2:
        raise ValueError("2 or more: a single token has no gap to time")
    return count


def _depth(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return convert


def _kv_bits(text: str) -> int:
    return int(_one_of("4", "8")(text))


TASK_KEYS: Mapping[str, Callable[[str], Any]] = {
    "prompt_tokens": _count,
    "generation_tokens": _generated,
    "depth": _depth,
    "batch_size": _count,
    "mode": _one_of("pipelined", "stepped"),
}
OPTION_KEYS: Mapping[str, Callable[[str], Any]] = {
    "kv_bits": _kv_bits,
    "prefill_step_size": _count,
}
OWN_KEYS: Mapping[str, Sequence[str]] = {
    "mlx": (*OPTION_KEYS, "python", "synthetic", "layers"),
    "sim": (*OPTION_KEYS, *sim.KEYS),
    **dict.fromkeys(SERVERS, ("url", "tokenizer")),
}


@dataclass(frozen=True, slots=True)
class Written:
    """An arm as written, taken apart."""

    text: str
    engine: str
    model: str
    values: Mapping[str, str]


def parse(text: str) -> Written:
    """Take an arm apart. InputError says what is wrong with it."""
    engine, colon, rest = text.partition(":")
    if not colon or not engine or not rest:
        raise InputError(f"{text!r} is no arm", f"write {FORM}")
    first, *others = rest.split(",")
    model = "" if engine == "sim" else first
    pairs = [first, *others] if engine == "sim" else others
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or not value:
            raise InputError(f"{pair!r} in {text!r} is no key=value", f"write {FORM}")
        if key in values:
            raise InputError(f"{key!r} stands twice in {text!r}", "keep one of them")
        values[key] = value
    return Written(text, engine, model, values)


def changed_task(written: Written, task: Timed) -> Timed:
    """The command's own task with what the arm changes. Raises InputError for unknown keys."""
    if written.engine not in OWN_KEYS:
        raise InputError(f"no engine named {written.engine!r}", f"use one of {', '.join(OWN_KEYS)}")
    allowed = [*TASK_KEYS, *OWN_KEYS[written.engine]]
    for key in written.values:
        if key not in allowed:
            raise InputError(
                f"no key {key!r} in the arm {written.text!r}", f"use one of {', '.join(allowed)}"
            )
    return replace(task, **_converted(written, TASK_KEYS))


def resolve_arm(
    written: Written,
    task: Timed,
    models: dict[str, ModelSpec],
    reach: Reach,
    beside_local: bool = False,
) -> Arm:
    """The arm with its own task; its model is made or fetched. `reach` is for servers.

    `beside_local`: an in-process model is compared with it, whose tokenizer a server's arm gets.
    """
    options = Options(**_converted(written, OPTION_KEYS))
    if written.engine in SERVERS:
        values = written.values
        own = replace(reach, url=values.get("url", reach.url))
        target = server_target(
            written.engine, written.model, models, own, values.get("tokenizer"), beside_local
        )
        return Arm(target, task, options)
    return Arm(_target(written, models), task, options)


def needs_whole_requests(written: Sequence[Written]) -> bool:
    """Whether a server is among the arms: it processes each prompt whole, so all must."""
    return any(one.engine in SERVERS for one in written)


def with_tokenizers(arms: Sequence[Arm]) -> list[Arm]:
    """Servers' arms without a tokenizer get the first in-process model's, for the same prompts."""
    local = next((arm.target.location for arm in arms if arm.target.engine == "mlx"), None)
    return [
        replace(arm, target=replace(arm.target, tokenizer=arm.target.tokenizer or local))
        if arm.target.engine in SERVERS
        else arm
        for arm in arms
    ]


def refuse_unlike(tasks: Sequence[Timed], varies: Sequence[str]) -> None:
    """Raises InputError for a difference between tasks that was not declared."""
    for field in fields(Timed):
        if field.name in varies:
            continue
        for task in tasks[1:]:
            ours, theirs = getattr(tasks[0], field.name), getattr(task, field.name)
            if ours != theirs:
                raise InputError(
                    f"the arms differ in {field.name}: {ours} and {theirs}",
                    f"make them equal, or say that this is the point with --varies {field.name}",
                )


def _converted(written: Written, keys: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, convert in keys.items():
        if key in written.values:
            try:
                found[key] = convert(written.values[key])
            except ValueError as error:
                value = written.values[key]
                raise InputError(f"{key}={value} in {written.text!r}", f"give {error}") from None
    return found


def _target(written: Written, models: dict[str, ModelSpec]) -> Target:
    values = written.values
    if written.engine == "sim":
        location = ",".join(f"{key}={value}" for key, value in values.items() if key in sim.KEYS)
        sim.predict_memory(Target("sim", "", location), ())  # raises for a bad description
        return Target("sim", f"sim:{location}", location)
    synthetic = values.get("synthetic", "no")
    if synthetic not in ("yes", "no"):
        raise InputError(f"synthetic={synthetic} in {written.text!r}", "give yes or no")
    layers = _converted(written, {"layers": _count}).get("layers")
    target = resolve(Request(written.model, synthetic == "yes", layers), models)
    return replace(target, python=_interpreter(values.get("python")))


def _interpreter(path: str | None) -> str | None:
    return path and os.path.expanduser(path)  # noqa: PTH111 - a bare name is looked up on PATH
