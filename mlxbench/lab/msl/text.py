"""Small helpers for reading C++ text: without a parser, but not fooled by comments."""

from __future__ import annotations

import re

_COMMENT_OR_STRING = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"", re.S)


def blank_comments(text: str) -> str:
    """The same text with spaces for comments and strings: offsets and lines stay what they are."""
    return _COMMENT_OR_STRING.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def end_of_block(code: str, start: int) -> int:
    """The offset behind the brace that closes a block whose opening brace ends at `start`."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    return len(code)


def line_at(text: str, offset: int) -> int:
    """The line, counted from 1, that an offset lies in."""
    return text.count("\n", 0, offset) + 1
