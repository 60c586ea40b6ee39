"""Results as the cells of a table, before anybody decides whether it is Markdown or HTML.

A `Line` is a row of the first table of every report. It is made from a `ResultRow` alone, so that a
row read back from an export gives the same line as the run itself. What tells two rows of one test
apart (a quantised cache, another number of experts, models resident beside it) stands with the
test: two rates must never look like the same measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from rich.table import Table
from rich.text import Text

from mlxbench.records import Environment, Options, Reference, Sampler, Timed
from mlxbench.report import settings
from mlxbench.report.format import MISSING, interval, memory, milliseconds, rate
from mlxbench.report.rows import ResultRow

HEADINGS = {
    "tps": "tok/s",
    "interval": "95 % interval",
    "ttft": "TTFT",
}
STANDARD = Timed("decode")  # what `decode` measures of a model unless it is told otherwise
NUMBERS = ("tps", "interval", "n", "ttft", "peak")
RATES = ("decode_tps", "prefill_tps")  # what a row is about: the first that was measured


@dataclass(frozen=True, slots=True)
class Line:
    """One result, or one published figure, as text; every field is a column."""

    model: str
    test: str
    tps: str
    interval: str
    n: str
    ttft: str
    peak: str
    probe: str
    machine: str
    versions: str
    run: str


@dataclass(frozen=True, slots=True)
class Family:
    """The results of one model under all its names, with what others published of it."""

    rows: tuple[ResultRow, ...]
    references: tuple[Reference, ...]

    @property
    def best_tps(self) -> float:
        """Its fastest decode rate, 0 where none was measured."""
        return max(row.decode_tps or 0.0 for row in self.rows)

    @property
    def made_up(self) -> bool:
        """Whether nobody ever trained what was measured."""
        return all(row.synthetic for row in self.rows)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of plain text; `right` says which columns hold numbers."""

    headings: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of_lines(cls, lines: Iterable[Line], without: Sequence[str] = ()) -> Self:
        """The lines with all their columns but those named in `without`."""
        names = columns(without)
        return cls(
            tuple(heading(name) for name in names),
            tuple(name in NUMBERS for name in names),
            tuple(tuple(getattr(line, name) for name in names) for line in lines),
        )

    @classmethod
    def of_table(cls, made: Table) -> Self:
        """The text of a terminal's table, so that each table is put together in one place."""
        columns = [[_plain(cell) for cell in column.cells] for column in made.columns]
        return cls(
            tuple(_plain(column.header) for column in made.columns),
            tuple(column.justify == "right" for column in made.columns),
            tuple(zip(*columns, strict=True)),
        )


def columns(without: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of a line's columns but those in `without`."""
    return tuple(field.name for field in fields(Line) if field.name not in without)


def heading(name: str) -> str:
    """A column's name as people read it."""
    return HEADINGS.get(name, name)


def line(row: ResultRow) -> Line:
    """A result as a line of text."""
    value, low, high = headline(row)
    return Line(
        model=_model(row),
        test=", ".join([row.test, *_settings(row)]),
        tps=rate(value),
        interval=interval(low, high),
        n=str(row.n),
        ttft=milliseconds(row.ttft_s),
        peak=memory(row.peak_memory_bytes),
        probe=probe_cell(row),
        machine=machine(row),
        versions=", ".join(_versions(row)) or MISSING,
        run=row.run_id,
    )


def published(model: str, reference: Reference) -> Line:
    """Somebody else's figure: it came without an interval, and says so by its gaps."""
    return Line(
        model=f"{model} (published)",
        test=reference.workload,
        tps=rate(reference.decode_tps),
        interval=MISSING,
        n=MISSING,
        ttft=MISSING,
        peak=MISSING,
        probe=reference.probe or MISSING,
        machine=reference.machine,
        versions=reference.engine,
        run=MISSING,
    )


def headline(row: ResultRow) -> tuple[float | None, float | None, float | None]:
    """The rate that a row is about, with the ends of its interval."""
    name = next((name for name in RATES if getattr(row, name) is not None), RATES[0])
    value, low, high = (getattr(row, name + end) for end in ("", "_low", "_high"))
    return value, low, high


def probe_cell(row: ResultRow) -> str:
    """`FAIL 0/20 (0–16 %)`: the verdict never stands without its number."""
    if row.probe_verdict is None or row.probe_low is None or row.probe_high is None:
        return MISSING
    bounds = f"{100 * row.probe_low:.0f}–{100 * row.probe_high:.0f} %"
    return f"{row.probe_verdict} {row.probe_passes}/{row.probe_replies} ({bounds})"


def families(
    rows: Iterable[ResultRow], references: Mapping[str, Sequence[Reference]]
) -> list[Family]:
    """The rows of each model together, the fastest first and those with random weights last.

    Names with the same published figures are one model: its name here and its tag on a server.
    """
    found: dict[object, list[ResultRow]] = {}
    for row in rows:
        found.setdefault(tuple(references.get(row.model, ())) or row.model, []).append(row)
    made = [
        Family(tuple(sorted(own, key=_place)), tuple(references.get(own[0].model, ())))
        for own in found.values()
    ]
    return sorted(made, key=lambda family: (family.made_up, -family.best_tps))


def plainest(family: Family) -> list[ResultRow]:
    """One row for each build, engine and machine: the standard test at the least depth, alone.

    What `decode` and `prefill` measured comes before what another command needed for its own ends,
    what has an interval before what has none, and of equals the newest is taken.
    """
    kept: dict[tuple[object, ...], ResultRow] = {}
    for row in sorted(family.rows, key=lambda row: row.created_utc, reverse=True):
        key = (row.model, row.engine, row.fingerprint, row.synthetic, machine(row))
        if headline(row)[0] is not None and (key not in kept or _extras(row) < _extras(kept[key])):
            kept[key] = row
    return sorted(kept.values(), key=_place)


def machine(row: ResultRow) -> str:
    """What it ran on, in a word."""
    return chip(row) or MISSING


def chip(found: ResultRow | Environment) -> str | None:
    """What computed: a GPU with its cores, for one name is sold with several numbers of them."""
    if found.accelerator and found.accelerator_cores:
        return f"{found.accelerator}, {found.accelerator_cores} GPU cores"
    return found.accelerator or found.cpu


def _extras(row: ResultRow) -> tuple[Any, ...]:
    """How far a row is from the plain decode rate of a model alone."""
    unfinished, no_decode, *settings = _changes(row)
    size = (row.prompt_tokens, row.generation_tokens)
    return (
        *(unfinished, no_decode, not _for_its_own_sake(row), *settings),
        *(row.batch_size, row.depth or 0),
        size != (STANDARD.prompt_tokens, STANDARD.generation_tokens),
        headline(row)[1] is None,
    )


def _for_its_own_sake(row: ResultRow) -> bool:
    """Whether somebody asked for this rate, rather than a command that needed one."""
    asked = row.command.split()[:2] in (["mlxbench", "decode"], ["mlxbench", "prefill"])
    return asked and row.workload == "standard"


def _changes(row: ResultRow) -> tuple[Any, ...]:
    return (
        *(row.status != "done", row.decode_tps is None, row.mode != "pipelined"),
        *(row.resident or "", row.routing or "", row.kernels or "", row.kv_bits or 0),
        *(row.temperature, 1 - row.top_p, row.top_k),
    )


def _place(row: ResultRow) -> tuple[Any, ...]:
    """Plain rows first, and of the same kind small tests before large ones."""
    size = (row.batch_size, row.depth or 0, row.prompt_tokens or 0, row.generation_tokens or 0)
    return (row.engine != "mlx", row.engine, row.model, machine(row), *_changes(row), *size)


def _versions(row: ResultRow) -> Iterator[str]:
    """The software that a rate belongs to: mlx's, or the server's."""
    if row.engine == "mlx":
        known = (("mlx", row.mlx), ("mlx-lm", row.mlx_lm))
        yield from (f"{name} {version}" for name, version in known if version)
    elif row.server:
        yield row.server


def _model(row: ResultRow) -> str:
    marks = [row.engine] if row.engine != "mlx" else []
    marks += ["synthetic"] if row.synthetic else []
    marks += [row.status] if row.status != "done" else []
    return f"{row.model} ({', '.join(marks)})" if marks else row.model


def _settings(row: ResultRow) -> Iterator[str]:
    sampler = Sampler(row.temperature, row.top_p, row.top_k)
    kernels = tuple(row.kernels.split(", ")) if row.kernels else ()
    options = Options(row.prefill_step_size, row.kv_bits, kernels=kernels)
    yield from settings.words(row.mode, sampler, options, [row.routing] if row.routing else [])
    if row.resident:
        yield f"{row.resident} in memory too"


def _plain(cell: object) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
