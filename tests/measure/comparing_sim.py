"""Comparisons of simulated arms, from the store that they were kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlxbench.measure.comparing import Design, Event, compare
from mlxbench.measure.findings import Finding, findings, measured_trials
from mlxbench.records import Arm, Comparison, Run, Target, Timed, Trial
from mlxbench.store import Store

TASK = Timed("decode", prompt_tokens=64, generation_tokens=32)


def sim(location: str, python: str | None = None, task: Timed = TASK) -> Arm:
    """A simulated arm."""
    return Arm(Target("sim", f"sim:{location}", location, python=python), task)


@dataclass(frozen=True, slots=True)
class Kept:
    """A comparison as stored, with its runs by session and arm."""

    comparison: Comparison
    runs: list[list[Run]]
    findings: list[Finding]

    def trials(self, session: int, arm: int) -> list[Trial]:
        """The measured ones."""
        records = self.runs[session][arm].trials
        return [record.trial for record in records if record.phase == "measured"]

    @property
    def words(self) -> list[str | None]:
        return [finding.verdict.word if finding.verdict else None for finding in self.findings]


def kept(store: Store, comparison_id: str) -> Kept:
    comparison = store.comparison(comparison_id)
    runs = [[store.run(run_id) for run_id in session.run_ids] for session in comparison.sessions]
    return Kept(comparison, runs, findings(comparison, measured_trials(store)))


class Comparer:
    """Compares arms into a store of its own, and reads what was kept."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(
        self,
        arms: list[Arm],
        design: Design,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> Kept:
        return kept(self.store, compare(arms, design, self.store, on_event))

    def latest(self) -> Kept:
        """The comparison that began last, however it ended."""
        return kept(self.store, self.store.comparison_ids(1)[0])


@contextmanager
def comparer(folder: Path) -> Iterator[Comparer]:
    with Store.open(folder / "results.sqlite") as store:
        yield Comparer(store)
