"""Whole runs: load each model once, measure its arms, and commit every trial as it ends."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from mlxbench.measure.memory import needed_bytes, refuse_unless_it_fits
from mlxbench.measure.notices import notices
from mlxbench.measure.opening import Opened, open_here
from mlxbench.measure.plan import Progress
from mlxbench.measure.probing import measure_probe
from mlxbench.measure.recording import begin_run, prompt_seed
from mlxbench.measure.session import Finished, Job, Loading, Session, Started, TrialEnded
from mlxbench.measure.trials import trials
from mlxbench.records import Completed, Probe, RunStatus, Target


def measure(jobs: Sequence[Job], session: Session) -> list[str]:
    """Do `jobs` and return the run ids in the same order; equal targets share one load.

    Raises DoesNotFitError before anything is loaded, and what opening an engine raises. Trials
    committed by then stay in the store.
    """
    grouped = [(target, list(group)) for target, group in groupby(jobs, lambda job: job.arm.target)]
    predicted = {target: predicted_bytes(target, group) for target, group in grouped}
    for target, needed in predicted.items():
        refuse_unless_it_fits(target.model, needed)
    run_ids: list[str] = []
    for target, group in grouped:
        with loaded(target, predicted[target], session) as opened:
            run_ids += [measure_job(opened, job, session) for job in group]
    return run_ids


def predicted_bytes(target: Target, jobs: Sequence[Job]) -> int | None:
    """What `target` will need in memory with the largest of `jobs`; `None` if unknown."""
    return needed_bytes(target, [job.arm for job in jobs])


@contextmanager
def loaded(target: Target, predicted: int | None, session: Session) -> Iterator[Opened]:
    """A target, open in this process until the block ends."""
    session.on_event(Loading(target, predicted))
    opened = open_here(target, predicted)
    try:
        yield opened
    finally:
        opened.loaded.close()


def measure_job(opened: Opened, job: Job, session: Session) -> str:
    """Measure one arm of an opened target, and return the run's id."""
    if isinstance(job.arm.task, Probe):
        return measure_probe(opened, job, session)
    *_, run_id = trial_by_trial(opened, job, session)
    return run_id


def trial_by_trial(opened: Opened, job: Job, session: Session) -> Generator[str, None, None]:
    """`measure_job` for one that takes turns: its run's id before and after each trial.

    Closed before the end, it leaves a run that is aborted.
    """
    store, arm = session.store, job.arm
    run = begin_run(store, arm, opened, job.workload, session.command)
    session.on_event(Started(run))
    progress = Progress(job.plan)
    found = {notice.code: notice for notice in run.notices}
    status: RunStatus = "aborted"
    try:
        yield run.run_id
        first_seed = prompt_seed(run.run_id) if arm.target.source == "server" else 0
        for record in trials(opened.loaded, arm, progress, first_seed):
            store.add_trial(run.run_id, record)
            session.on_event(TrialEnded(run, record, progress))
            if isinstance(record.trial, Completed):
                found |= {notice.code: notice for notice in record.trial.notices}
            yield run.run_id
        status = "done" if progress.measured and not progress.hopeless() else "failed"
    finally:
        found |= {notice.code: notice for notice in notices(progress)}
        store.finish_run(run.run_id, status, tuple(found.values()))
    session.on_event(Finished(run, status))
