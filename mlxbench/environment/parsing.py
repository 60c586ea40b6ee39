"""Two ways to pick one value out of a text that may be absent or malformed."""

from __future__ import annotations

import re


def find(pattern: str, text: str | None) -> str | None:
    """The first group of the first match of `pattern`, where `^` and `$` are line ends."""
    match = re.search(pattern, text or "", re.MULTILINE)
    return match.group(1) if match else None


def find_integer(pattern: str, text: str | None) -> int | None:
    """The same as an integer; the group must match digits only."""
    digits = find(pattern, text)
    return None if digits is None else int(digits)
