"""Text from outside, made harmless for where it is shown.

Model names and replies are other people's text: on a terminal they must not move the cursor or
reverse the writing direction, and in a spreadsheet they must not become formulas.
"""

from __future__ import annotations

import unicodedata

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_HARMLESS_CONTROLS = "\n\t"


def terminal(text: str) -> str:
    """`text` without control, format and direction characters; line breaks and tabs stay."""
    return "".join(
        character
        for character in text
        if character in _HARMLESS_CONTROLS or unicodedata.category(character)[0] != "C"
    )


def one_line(text: str) -> str:
    """`terminal` text on a single line."""
    return " ".join(terminal(text).split())


def cell(value: object) -> str:
    """A CSV cell: text that a spreadsheet would run gets a leading apostrophe; None is empty.

    Line breaks become spaces: the csv module leaves a lone carriage return unquoted.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    harmless = "'" + value if value.startswith(FORMULA_STARTS) else value
    return harmless.replace("\r", " ").replace("\n", " ")
