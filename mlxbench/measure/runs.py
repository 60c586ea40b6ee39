"""Whole runs: load each model once, measure its arms, and commit every trial as it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlxbench import engines
from mlxbench.measure.memory import needed_bytes, refuse_unless_it_fits
from mlxbench.measure.notices import notices
from mlxbench.measure.opening import Opened, environment_of
from mlxbench.measure.plan import Plan, Progress
from mlxbench.measure.recording import begin_run, prompt_seed
from mlxbench.measure.trials import trials
from mlxbench.records import Arm, Completed, Run, RunStatus, Target, TrialRecord
from mlxbench.store import Store


@dataclass(frozen=True, slots=True)
class Loading:
    """A model is about to be loaded; with its largest arm it will need `predicted_bytes`."""

    target: Target
    predicted_bytes: int | None


@dataclass(frozen=True, slots=True)
class Started:
    """An arm is about to run its first trial."""

    run: Run


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial was committed."""

    run: Run
    record: TrialRecord
    progress: Progress


@dataclass(frozen=True, slots=True)
class Finished:
    """An arm has all its trials."""

    run: Run
    status: RunStatus


Event = Loading | Started | TrialEnded | Finished


@dataclass(frozen=True, slots=True)
class Session:
    """What a measurement needs besides its arms."""

    store: Store
    plan: Plan
    workload: str
    command: str
    on_event: Callable[[Event], None]


def measure(arms: Sequence[Arm], session: Session) -> list[str]:
    """Measure `arms` and return the run ids in the same order; equal targets share one load.

    Raises DoesNotFitError before anything is loaded, and what opening an engine raises. Trials
    committed by then stay in the store.
    """
    grouped = [(target, list(group)) for target, group in groupby(arms, lambda arm: arm.target)]
    predicted = {target: needed_bytes(target, group) for target, group in grouped}
    for target, needed in predicted.items():
        refuse_unless_it_fits(target.model, needed)
    run_ids: list[str] = []
    for target, group in grouped:
        session.on_event(Loading(target, predicted[target]))
        before = environment_of(target)  # loading is itself a load on the machine
        loaded, load_s = engines.timed_open(target)
        opened = Opened(loaded, load_s, before)
        try:
            run_ids += [_measure_arm(opened, arm, predicted[target], session) for arm in group]
        finally:
            loaded.close()
    return run_ids


def _measure_arm(opened: Opened, arm: Arm, predicted_bytes: int | None, session: Session) -> str:
    store = session.store
    run = begin_run(store, arm, opened, predicted_bytes, session.workload, session.command)
    session.on_event(Started(run))
    progress = Progress(session.plan)
    found = {notice.code: notice for notice in run.notices}
    status: RunStatus = "aborted"
    try:
        first_seed = prompt_seed(run.run_id) if arm.target.source == "server" else 0
        for record in trials(opened.loaded, arm, progress, first_seed):
            store.add_trial(run.run_id, record)
            session.on_event(TrialEnded(run, record, progress))
            if isinstance(record.trial, Completed):
                found |= {notice.code: notice for notice in record.trial.notices}
        status = "done" if progress.measured and not progress.hopeless() else "failed"
    finally:
        found |= {notice.code: notice for notice in notices(progress)}
        store.finish_run(run.run_id, status, tuple(found.values()))
    session.on_event(Finished(run, status))
    return run.run_id
