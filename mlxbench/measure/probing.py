"""A probe's replies: whatever is missing is asked for, and each reply is committed as it ends.

A probe that was broken off, by Ctrl-C, a crash or a server that went away, is found again by what
it asks and of which weights, and goes on with the replies that it lacks. What was under way when it
broke off is asked again, with the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlxbench.engines.protocol import Batching
from mlxbench.measure.memory import needed_bytes, usable_bytes
from mlxbench.measure.opening import Opened
from mlxbench.measure.recording import begin_run, recorded, utc_now
from mlxbench.measure.session import Asking, Finished, Job, ReplyEnded, Session
from mlxbench.records import (
    Arm,
    Completed,
    Environment,
    Generate,
    Probe,
    Run,
    RunStatus,
    Target,
    Trial,
    TrialRecord,
    machine_key,
)
from mlxbench.roofline import fits

MOST_TOGETHER = 16
FAILURES_IN_A_ROW = 3  # then the next reply will fail too, and so on for hours


def measure_probe(opened: Opened, job: Job, session: Session) -> str:
    """Ask what is missing of a probe, and return the run's id.

    The run is done when every reply is there, and failed when some could not be had.
    """
    store, arm = session.store, job.arm
    assert isinstance(arm.task, Probe)
    run = None if session.afresh else _broken_off(opened, arm, session)
    if run is None:
        run = begin_run(store, arm, opened, job.workload, session.command)
    else:
        store.finish_run(run.run_id, "running", run.notices)
    there = {record.sequence for record in run.trials if isinstance(record.trial, Completed)}
    missing = {
        place: arm.task.request(place) for place in range(arm.task.replies) if place not in there
    }
    batch_size = _batch_size(opened, arm, len(missing))
    session.on_event(Asking(run, len(missing), batch_size))
    found = {notice.code: notice for notice in run.notices}
    status: RunStatus = "aborted"
    try:
        for record in _replies(opened, arm, missing, batch_size):
            store.put_trial(run.run_id, record)
            session.on_event(ReplyEnded(run, record))
            if isinstance(record.trial, Completed):
                there.add(record.sequence)
                found |= {notice.code: notice for notice in record.trial.notices}
        status = "done" if len(there) == arm.task.replies else "failed"
    finally:
        store.finish_run(run.run_id, status, tuple(found.values()))
    session.on_event(Finished(run, status))
    return run.run_id


def _broken_off(opened: Opened, arm: Arm, session: Session) -> Run | None:
    """The latest probe that asks the same of the same weights on this machine, unless it is done.

    One that seems to be running was killed: the caller holds the accelerator.
    """
    wanted = _identity(recorded(arm))
    for run in session.store.runs():
        if run.arm.target.engine != arm.target.engine or not isinstance(run.arm.task, Probe):
            continue
        if _identity(run.arm) == wanted and _same_conditions(run, opened):
            return None if run.status == "done" else session.store.run(run.run_id)
    return None


def _identity(arm: Arm) -> Arm:
    """An arm without what may differ between two commands that ask for the same replies."""
    assert isinstance(arm.task, Probe)
    target = replace(arm.target, unload=False)
    return replace(arm, target=target, task=replace(arm.task, batch_size=None))


def _same_conditions(run: Run, opened: Opened) -> bool:
    then, now = run.checkpoint, opened.loaded.checkpoint
    weights = (then and then.fingerprint, then and then.serving) == (
        now and now.fingerprint,
        now and now.serving,
    )
    return weights and _machine(run.environment) == _machine(opened.environment)


def _machine(environment: Environment) -> tuple[object, ...]:
    """What decides over a reply's tokens, besides weights and settings."""
    versions = [environment.versions.get(name) for name in ("mlx", "mlx-lm")]
    return (*machine_key(environment), *versions)


def _replies(
    opened: Opened, arm: Arm, missing: Mapping[int, Generate], batch_size: int
) -> Iterator[TrialRecord]:
    """The missing replies as they end; stops early when nothing but failures comes."""
    failures = 0
    started = utc_now()
    for place, trial in _asked(opened, arm, missing, batch_size):
        yield TrialRecord(place, "measured", started, trial)
        failures = 0 if isinstance(trial, Completed) else failures + 1
        if failures == FAILURES_IN_A_ROW:
            return
        if batch_size == 1:
            started = utc_now()


def _asked(
    opened: Opened, arm: Arm, missing: Mapping[int, Generate], batch_size: int
) -> Iterator[tuple[int, Trial]]:
    loaded = opened.loaded
    if isinstance(loaded, Batching):
        yield from loaded.reply_all(missing, arm.options, batch_size)
        return
    for place, request in missing.items():
        yield place, loaded.run(request, arm.options, place)


def _batch_size(opened: Opened, arm: Arm, missing: int) -> int:
    """How many replies to decode together: as was asked, else as many as fit, within reason."""
    assert isinstance(arm.task, Probe)
    if not isinstance(opened.loaded, Batching):
        return 1
    if arm.task.batch_size is not None:
        return arm.task.batch_size
    most = max(1, min(MOST_TOGETHER, missing))
    one, two = (_needed(arm, arm.task, batch_size) for batch_size in (1, 2))
    usable = usable_bytes()
    if one is None or two is None or usable is None:
        return most
    sizes = (most - less for less in range(most))
    return next((size for size in sizes if fits(one + (size - 1) * (two - one), usable)), 1)


def _needed(arm: Arm, probe: Probe, batch_size: int) -> int | None:
    target: Target = arm.target
    return needed_bytes(target, [replace(arm, task=replace(probe, batch_size=batch_size))])
