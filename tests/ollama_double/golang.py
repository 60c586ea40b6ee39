"""What Go's standard library does to everything that Ollama reads and writes.

JSON leaves Go with `<`, `>` and `&` escaped and without the zeros of `omitempty` fields. Times are
RFC 3339 with up to nine decimals, **trailing zeros trimmed**, so their length varies. Durations are
numbers of nanoseconds going out; coming in, `keep_alive` is a number of seconds or a string such as
"1h30m", in which only "0" may go without a unit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

SECOND_NS = 1_000_000_000
# What a negative keep_alive becomes: 292 years, the largest time.Duration.
FOR_EVER_NS = (1 << 63) - 1
UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
}
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_PART = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)(?P<unit>[^\d.]*)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GoError(Exception):
    """An error whose text is the one Go gives."""


def dumps(value: Any) -> bytes:
    """`json.Marshal`: no spaces, UTF-8, and HTML escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign, escaped in _ESCAPED.items():
        text = text.replace(sign, escaped)
    return text.encode()


def without_zeros(values: Mapping[str, Any]) -> dict[str, Any]:
    """`omitempty`."""
    return {name: value for name, value in values.items() if value}


def quote(text: str) -> str:
    """`%q`, for the strings that occur here."""
    return json.dumps(text, ensure_ascii=False)


def rfc3339(time_ns: int, utc_offset_minutes: int = 0) -> str:
    """`time.RFC3339Nano` of nanoseconds since 1970."""
    seconds, nanoseconds = divmod(time_ns, SECOND_NS)
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    moment = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    fraction = f".{nanoseconds:09d}".rstrip("0").rstrip(".")
    offset = moment.strftime("%z")
    written = f"{offset[:3]}:{offset[3:]}" if utc_offset_minutes else "Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + written


def parse_duration(text: str) -> int:
    """`time.ParseDuration` in nanoseconds. Raises GoError."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            raise GoError(f"time: invalid duration {quote(text)}")
        unit = part["unit"]
        if not unit:
            raise GoError(f"time: missing unit in duration {quote(text)}")
        if unit not in UNITS_NS:
            raise GoError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        total += round(float(part["number"]) * UNITS_NS[unit])
        at = part.end()
    if not rest:
        raise GoError(f"time: invalid duration {quote(text)}")
    return -total if text.startswith("-") else total


def keep_alive(value: Any, whole_seconds: bool) -> int:
    """`api.Duration` in nanoseconds; `whole_seconds` as in 0.6.6. Raises GoError."""
    if isinstance(value, str):
        given = parse_duration(value)
        return FOR_EVER_NS if given < 0 else given
    if type(value) in (int, float):
        if value < 0:
            return FOR_EVER_NS
        return int(value) * SECOND_NS if whole_seconds else int(value * SECOND_NS)
    kinds = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
    raise GoError(f"Unsupported type: '{kinds[type(value)]}'")
