"""A report as Markdown, for a README, an issue or a post.

Whoever shows Markdown also shows the HTML in it, so each value is escaped by default: the template
passes everything through `escaped`, and only what was built here as Markdown (a table, a code
block) stays as it is.

Where people post a report, text becomes links without any markup: names of users, who are told,
numbers of issues, addresses, emoji. Neither a backslash nor an entity prevents that, for those
sites look for them in the text that both end up as. So a space of no width parts them, which nobody
sees; commands, which people copy, are code and stay as they are.

The table at the head of a README is the first table of a report. It stands between two markers, and
is made from exported rows, so that a test can hold it to its records::

    rows = rows_from_jsonl(Path("results.jsonl").read_text())
    readme = between_markers(readme, results_block(rows, references))
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlxbench.errors import InputError
from mlxbench.records import Reference
from mlxbench.report.cells import Grid, Line, families, line, plainest, published
from mlxbench.report.page import templates
from mlxbench.report.page.contents import READING, Contents, Model
from mlxbench.report.rows import ResultRow
from mlxbench.report.safe import one_line

MARKERS = ("<!-- results -->", "<!-- /results -->")
NOT_IN_FIRST = ("ttft",)
NOT_IN_EVERY = ("versions",)
NOT_IN_BLOCK = ("ttft", "run")
# What begins emphasis, code, links, HTML, a cell, strikethrough, an entity or a formula.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
# What begins a heading, a list or an underlined heading, at the start of a line alone.
_LINE_START = re.compile(r"^(\d*)([#+\-=.)])(?=\s|$|#|-|=)")
# What becomes a link or a picture by itself: @name, #12, GH-12, http://, www. and :emoji:.
_LINKED = re.compile(
    r"@(?=\S)|#(?=\d)|:(?=//|[\w+-]+:)|(?<![^\W_])(?:GH-(?=\d)|www(?=\.))", re.IGNORECASE
)
_NO_SPACE = "\u200b"


class Made(str):
    """Text that is Markdown already."""

    __slots__ = ()


def text(made: Contents) -> str:
    """The whole report."""
    template = templates(autoescape=False, finalize=_finalized).get_template("report.md.jinja")
    return template.render(
        contents=made,
        reading=READING,
        first_table=lambda contents: _lines_table(_first(contents.models), NOT_IN_FIRST),
        every_table=lambda model: _lines_table(_every(model), NOT_IN_EVERY),
        table=table,
        fenced=fenced,
        commands=_commands,
    )


def results_table(
    rows: Iterable[ResultRow],
    references: Mapping[str, Sequence[Reference]] | None = None,
    without: Sequence[str] = NOT_IN_FIRST,
) -> str:
    """The first table of a report: the plainest row of each model, published figures beside it.

    `without` names fields of `cells.Line` that get no column.
    """
    return _lines_table(_first_lines(rows, references or {}), without) + "\n"


def results_block(rows: Sequence[ResultRow], references: Mapping[str, Sequence[Reference]]) -> str:
    """That table with published figures of unmeasured models too, and the rows' commands."""
    shown = list(_first_lines(rows, references))
    known = {one for row in rows for one in references.get(row.model, ())}
    for model, figures in references.items():
        shown += [published(model, one) for one in figures if one not in known]
        known |= set(figures)  # a model stands there twice: by its name, and by its tag
    # Links stay links here: they come from the registry that is ours, not from what was measured.
    sources = dict.fromkeys(one_line(one.source) for own in references.values() for one in own)
    commands = fenced(dict.fromkeys(row.command for row in rows))
    return (
        f"{_lines_table(shown, NOT_IN_BLOCK)}\n\nPublished: {'; '.join(sources)}.\n\n{commands}\n"
    )


def _first_lines(
    rows: Iterable[ResultRow], references: Mapping[str, Sequence[Reference]]
) -> Iterator[Line]:
    for family in families(rows, references):
        yield from (line(row) for row in plainest(family))
        yield from (published(family.rows[0].model, one) for one in family.references)


def rows_table(rows: Iterable[ResultRow]) -> str:
    """Every row, with its run's id."""
    return _lines_table(map(line, rows), ()) + "\n"


def rows_from_jsonl(exported: str) -> list[ResultRow]:
    """The rows of `results export --format jsonl`."""
    # Not `splitlines`, which also breaks lines where JSON does not, as at U+2028.
    return [ResultRow(**json.loads(said)) for said in exported.split("\n") if said.strip()]


def between_markers(whole: str, block: str) -> str:
    """`whole` with `block` in place of what stands between the markers. Raises InputError."""
    begin, end = (whole.find(marker) for marker in MARKERS)
    if not 0 <= begin < end:
        raise InputError(
            "no place for the table of results", f"write {' and '.join(MARKERS)} there"
        )
    return f"{whole[: begin + len(MARKERS[0])]}\n{block.strip()}\n{whole[end:]}"


def table(made: Grid) -> Made:
    """A table whose numbers stand on the right."""
    dashes = ("--:" if right else "---" for right in made.right)
    lines = [map(escaped, made.headings), dashes, *(map(escaped, row) for row in made.rows)]
    return Made("\n".join(f"| {' | '.join(cells)} |" for cells in lines))


def escaped(value: object) -> str:
    """Foreign text that shows as what it is: no control characters, no markup, no links."""
    parted = _LINKED.sub(lambda found: found[0] + _NO_SPACE, one_line(str(value)))
    shown = _SPECIAL.sub(lambda found: "\\" + found[0], parted)
    return _LINE_START.sub(r"\1\\\2", shown).replace(_NO_SPACE, "&#8203;")


def fenced(commands: Iterable[str]) -> Made:
    """Commands as a block of code."""
    shown = "\n".join(one_line(command) for command in commands)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return Made(f"{fence}sh\n{shown}\n{fence}")


def _commands(model: Model) -> dict[str, list[str]]:
    """What to type for each result, by the conditions that results share."""
    found: dict[str, list[str]] = {}
    for item in model.items:
        found.setdefault(item.conditions, []).append(f"{item.command}  # {item.line.run}")
    return found


def _first(models: Iterable[Model]) -> Iterator[Line]:
    for model in models:
        yield from (item.line for item in model.first)
        yield from model.published


def _every(model: Model) -> Iterator[Line]:
    yield from (item.line for item in model.items)
    yield from model.published


def _lines_table(lines: Iterable[Line], without: Sequence[str]) -> Made:
    return table(Grid.of_lines(lines, without))


def _finalized(value: Any) -> Any:
    return value if isinstance(value, Made) else escaped(value)
