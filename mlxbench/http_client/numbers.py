"""JSON from somebody else: objects only, numbers that are numbers, text that can be written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from mlxbench.http_client.faults import ServerFault, clean

LARGEST_COUNT = 2**31 - 1
LONGEST_S = 86400.0 * 7


def parse(content: bytes, what: str) -> Mapping[str, Any]:
    """The JSON object in `content`. Raises ServerFault, which shows how it begins."""
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        begins = clean(content[:60].decode("utf-8", "replace"))
        raise ServerFault("bad_reply", f"{what} is no JSON object: {begins!r}")
    return value


def count(values: Mapping[str, Any], key: str) -> int | None:
    """A whole number of 0 or more, `None` when absent. Raises ServerFault for anything else."""
    value = values.get(key)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ServerFault("bad_reply", f"{key} is {_shown(value)}, which is no count")
    return value


def nanoseconds(values: Mapping[str, Any], key: str) -> float | None:
    """Nanoseconds as seconds, `None` when absent (Ollama omits a zero). Raises ServerFault."""
    value = values.get(key)
    if value is None:
        return None
    number = type(value) in (int, float) and -1e30 < value < 1e30
    if not number or not math.isfinite(value) or not 0 <= value * 1e-9 <= LONGEST_S:
        raise ServerFault("bad_reply", f"{key} is {_shown(value)}, which is no duration")
    return float(value * 1e-9)


def text(values: Mapping[str, Any], key: str) -> str:
    """A string, empty when absent or null; half characters become question marks."""
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ServerFault("bad_reply", f"{key} is {_shown(value)}, which is no text")
    return value.encode("utf-8", "replace").decode("utf-8")


def _shown(value: object) -> str:
    return clean(repr(value)[:60])


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
