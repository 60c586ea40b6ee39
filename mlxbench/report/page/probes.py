"""The probe's part of a report: how often each model noticed, beside how fast it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mlxbench.records import Notice
from mlxbench.report import probe_tables, terminal, verdicts
from mlxbench.report.cells import Grid
from mlxbench.report.gathering import Gathered
from mlxbench.report.probes import ProbeResult

MEANING = (
    "A model that is asked about a poem either notices the sentence in its first letters or does "
    "not; a control hides nothing, and passes where nothing is claimed. "
    + probe_tables.WHAT_PASS_MEANS
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One probe, below its row."""

    name: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    conditions: str
    command: str


@dataclass(frozen=True, slots=True)
class Probes:
    """All probes in one table, and what several of them say together."""

    meaning: str
    table: Grid
    together: tuple[str, ...]
    asked: tuple[Asked, ...]


def probes(gathered: Gathered) -> Probes:
    """The part of a report that is about at least one probe."""
    models: dict[str, list[ProbeResult]] = {}
    for result in sorted(gathered.probes, key=lambda one: (one.suite != "fomo", one.suite)):
        models.setdefault(result.run.arm.target.model, []).append(result)
    ordered = [result for results in models.values() for result in results]
    return Probes(
        meaning=MEANING,
        table=_joined([_table(gathered, results) for results in models.values()]),
        together=tuple(probe_tables.together(ordered)),
        asked=tuple(_asked(result) for result in ordered),
    )


def _table(gathered: Gathered, results: list[ProbeResult]) -> Grid:
    """The rows of one model."""
    rows = [(result, verdicts.beside(result.run, gathered.summaries)) for result in results]
    return Grid.of_table(probe_tables.results_table(rows, gathered.references))


def _joined(tables: list[Grid]) -> Grid:
    return replace(tables[0], rows=tuple(row for table in tables for row in table.rows))


def _asked(result: ProbeResult) -> Asked:
    name = f"{result.run.arm.target.model}, {result.suite}"
    return Asked(
        name=name,
        lines=tuple(_without(name, probe_tables.details(result))),
        warnings=tuple(map(said_of, result.run.notices)),
        conditions=terminal.conditions(result.run),
        command=result.run.command,
    )


def said_of(notice: Notice) -> str:
    """A warning with its advice."""
    return f"{notice.message}; {notice.advice}"


def _without(name: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines without the name that stands above them."""
    yield from (said.removeprefix(f"{name}: ") for said in lines)
