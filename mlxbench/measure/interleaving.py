"""One session of a comparison: the arms that are loaded together, run in turn.

Each arm has a run of its own in the store, so that every trial is committed as it ends and can be
read like any other. The session only adds in which order they ran.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mlxbench.measure.opening import Opened
from mlxbench.measure.plan import FAILURE_SHARE, FAILURES_TOLERATED, Plan, Progress
from mlxbench.measure.recording import begin_run, utc_now
from mlxbench.measure.trials import run_trial
from mlxbench.records import (
    Arm,
    Completed,
    Failed,
    Notice,
    Phase,
    Run,
    RunStatus,
    Target,
    Trial,
    TrialRecord,
)
from mlxbench.store import Store

WORKLOAD = "comparison"


@dataclass(frozen=True, slots=True)
class Turn:
    """A trial of a comparison was committed: arm number `arm`, `done` of `planned` rounds."""

    arm: int
    record: TrialRecord
    done: int
    planned: int | None


@dataclass(slots=True)
class _Lane:
    """One arm of the session and what it has so far."""

    arm: Arm
    opened: Opened
    run: Run
    progress: Progress
    sequence: int = 0
    measured: list[Trial] = field(default_factory=list)
    notices: dict[str, Notice] = field(default_factory=dict)


class Interleaved:
    """Loaded arms that take turns. `first_seed` keeps the prompts of sessions apart.

    In a round, arms of different engines get the same prompt, so that their work is the same. Arms
    of one engine never do: a server's cache would answer the second of them. So each engine counts
    its own seeds, and every round begins with all counters level.
    """

    def __init__(
        self,
        store: Store,
        arms: Sequence[Arm],
        targets: Mapping[Target, Opened],
        command: str,
        first_seed: int,
        on_turn: Callable[[Turn], None],
    ) -> None:
        self._store = store
        self._on_turn = on_turn
        self._seeds = {arm.target.engine: first_seed for arm in arms}
        self.rounds: list[tuple[int, ...]] = []
        self.planned: int | None = None
        self._lanes = [
            _Lane(
                arm,
                targets[arm.target],
                begin_run(store, arm, targets[arm.target], WORKLOAD, command),
                Progress(Plan()),
            )
            for arm in arms
        ]

    @property
    def arms(self) -> int:
        return len(self._lanes)

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(lane.run.run_id for lane in self._lanes)

    def trials(self, arm: int) -> Sequence[Trial]:
        """The measured trials of an arm so far, failed ones included."""
        return self._lanes[arm].measured

    def warm_up(self, budget_s: float) -> None:
        """Discard trials of each arm until it is steady, at most for half of the budget in all."""
        spent_s = 0.0
        waiting = list(range(len(self._lanes)))
        while waiting:
            for index in list(waiting):
                lane = self._lanes[index]
                trial = self._turn(index, "warmup")
                lane.progress.add(trial, "warmup", 0.0)
                spent_s += trial.duration_s or 0.0
                enough = len(lane.progress.warm) > 0 and spent_s > budget_s / 2
                if enough or lane.progress.hopeless() or not lane.progress.warming():
                    waiting.remove(index)

    def round_s(self) -> float:
        """Seconds that one round takes, by the latest trial of each arm."""
        return sum(lane.progress.latest_s for lane in self._lanes)

    def run_round(self, order: Sequence[int]) -> None:
        """One trial of each arm, in this order."""
        level = max(self._seeds.values())
        self._seeds = dict.fromkeys(self._seeds, level)
        for index in order:
            trial = self._turn(index, "measured")
            self._lanes[index].measured.append(trial)
        self.rounds.append(tuple(order))

    def hopeless(self) -> str | None:
        """Why an arm cannot be compared: more than a fifth of its trials failed."""
        for lane in self._lanes:
            failures = [trial for trial in lane.measured if isinstance(trial, Failed)]
            if lane.progress.hopeless():
                return f"{lane.arm.target.model} failed: {lane.progress.latest_failure}"
            if len(failures) > max(FAILURES_TOLERATED, FAILURE_SHARE * len(lane.measured)):
                return f"{lane.arm.target.model} failed too often: {failures[-1].message}"
        return None

    def finish(self, status: RunStatus) -> None:
        """Close the runs in the store."""
        for lane in self._lanes:
            found = {notice.code: notice for notice in lane.run.notices} | lane.notices
            self._store.finish_run(lane.run.run_id, status, tuple(found.values()))

    def steady(self) -> bool:
        """Whether every arm had settled when measuring began."""
        return all(lane.progress.settled() for lane in self._lanes)

    def _turn(self, index: int, phase: Phase) -> Trial:
        lane = self._lanes[index]
        started, seed = utc_now(), self._seeds[lane.arm.target.engine]
        self._seeds[lane.arm.target.engine] += 1
        try:
            trial = run_trial(lane.opened.loaded, lane.arm, seed)
        except KeyboardInterrupt:
            aborted = Failed("aborted", "interrupted by Ctrl-C")
            self._store.add_trial(
                lane.run.run_id, TrialRecord(lane.sequence, phase, started, aborted)
            )
            raise
        record = TrialRecord(lane.sequence, phase, started, trial)
        self._store.add_trial(lane.run.run_id, record)
        lane.sequence += 1
        if isinstance(trial, Completed):
            lane.progress.latest_s = trial.duration_s
            lane.notices |= {notice.code: notice for notice in trial.notices}
        self._on_turn(Turn(index, record, len(self.rounds), self.planned))
        return trial
