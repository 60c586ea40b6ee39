"""One page that holds a whole report: a file to open, post or archive.

The page asks nothing of anybody: no script, no font, no picture from elsewhere, and a content
security policy that forbids all of them, so that text which slips through an escape could still do
nothing. What it shows is other people's text. Templates escape all of it, and take control and
direction characters out before that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from mlxbench.report import cells
from mlxbench.report.page.contents import READING, TITLE, Contents, contents
from mlxbench.report.safe import one_line

__all__ = ["TITLE", "Contents", "contents", "html", "templates"]

FIRST = cells.columns(without=("ttft", "run"))
EVERY = cells.columns(without=("model", "versions", "run"))
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]{1,30}(?![\w-])")


def html(made: Contents) -> str:
    """The page as one self-contained document."""
    from mlxbench.report.plots import style, svg

    template = templates(autoescape=True, finalize=_one_line).get_template("page.html.jinja")
    return template.render(
        contents=made,
        svg=svg,
        light=style.LIGHT,
        dark=style.DARK,
        reading=READING,
        columns={"first": FIRST, "every": EVERY},
        heading=cells.heading,
        kind=_kind,
        options=_options,
        newline=Markup("\n"),
    )


def templates(*, autoescape: bool, finalize: Callable[[Any], Any]) -> Environment:
    """Where the templates of reports are, with the rule that each value goes through."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=autoescape,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _kind(column: str) -> str:
    """A column's class in the style sheet, empty for plain text."""
    return "number" if column in cells.NUMBERS else column if column in ("test", "probe") else ""


def _options(said: str) -> Markup:
    """A warning whose options (`--budget`) do not break at their hyphens."""
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', str(escape(one_line(said)))))


def _one_line(value: Any) -> Any:
    """Foreign text without control characters; what is markup already stays as it is."""
    return value if isinstance(value, Markup) else one_line(str(value))
