"""A comparison in a report: what was found first, what it rests on below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.table import Table

from mlxbench.records import Comparison
from mlxbench.report import comparison, terminal
from mlxbench.report.arms import described
from mlxbench.report.cells import Grid
from mlxbench.report.comparison import Read
from mlxbench.report.format import MISSING
from mlxbench.report.gathering import Gathered
from mlxbench.report.safe import one_line


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison: what was found, and under what it lies."""

    name: str
    title: str
    found: tuple[str, ...]
    warnings: tuple[str, ...]
    arms: Grid | None
    details: tuple[str | Grid, ...]
    conditions: str
    command: str


def compared(gathered: Gathered, found: Read) -> Compared:
    """What a report says of one comparison."""
    made = found.comparison
    sentences = tuple(one_line(said) for said in _found(found))
    warnings = tuple(terminal.notice_line(notice) for notice in found.notices)
    blocks = [
        block
        for block in _blocks(comparison.report(found))
        if block not in sentences and block not in warnings
    ]
    measured = any(rate is not None for rate in found.rates)
    arms = next((block for block in blocks if measured and isinstance(block, Grid)), None)
    machine = gathered.environments.get(made.comparison_id)
    parts = terminal.machine_parts(machine) if machine else []
    return Compared(
        name=made.comparison_id,
        title=_title(made),
        found=sentences,
        warnings=warnings,
        arms=arms,
        details=tuple(block for block in blocks if block is not arms),
        conditions=" · ".join(part for part in parts if part) or MISSING,
        command=made.command,
    )


def _found(found: Read) -> Iterator[str]:
    """What a reader wants to know first, in the words of the terminal."""
    made = found.comparison
    yield from (comparison.sentence(made, finding) for finding in found.claims)
    if found.null:
        yield "noise floor: " + comparison.sentence(made, found.null)
    if found.confirmed:
        yield "confirmed on fresh pairs: " + comparison.sentence(made, found.confirmed)


def _title(made: Comparison) -> str:
    """The arms by their letters; of all but the first only what is different about them."""
    first, *others = described(made.arms[:-1] if made.null else made.arms)
    named = [f"A: {', '.join(first)}"]
    for index, arm in enumerate(others, 1):
        different = [part for part in arm if part not in first]
        named.append(f"{comparison.label(made, index)}: {', '.join(different or arm)}")
    return " · ".join(named)


def _blocks(made: Iterable[object]) -> Iterator[str | Grid]:
    """A terminal's report as text and tables, without its empty lines."""
    for block in made:
        if isinstance(block, Table):
            yield Grid.of_table(block)
        elif str(block).strip():
            yield str(block)
