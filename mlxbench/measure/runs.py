"""Whole runs: load each model once, measure its arms, and commit every trial as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from random import Random

from mlxbench import engines, environment
from mlxbench.engines.protocol import Engine, Loaded
from mlxbench.environment.gates import check
from mlxbench.environment.memory import usable_memory_bytes
from mlxbench.environment.mlx_device import collect_accelerator
from mlxbench.errors import DoesNotFitError
from mlxbench.measure.notices import notices
from mlxbench.measure.plan import Plan, Progress
from mlxbench.measure.trials import trials
from mlxbench.records import Arm, Checkpoint, Completed, Run, RunStatus, Target, TrialRecord
from mlxbench.redact import without_home
from mlxbench.roofline import fits
from mlxbench.store import Store, new_run_id

GIB = 1 << 30


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
    predicted = {target: _check_memory(target, group) for target, group in grouped}
    run_ids: list[str] = []
    for target, group in grouped:
        session.on_event(Loading(target, predicted[target]))
        began = time.monotonic()
        loaded = engines.engine(target.engine).open(target)
        load_s = time.monotonic() - began
        try:
            for arm in group:
                run_ids.append(_measure_arm(loaded, arm, load_s, predicted[target], session))
        finally:
            loaded.close()
    return run_ids


def _measure_arm(
    loaded: Loaded, arm: Arm, load_s: float, predicted_bytes: int | None, session: Session
) -> str:
    measured_on = environment.collect()
    now = datetime.now(UTC)
    run = Run(
        run_id=new_run_id(now, Random()),
        created_utc=now.isoformat(timespec="milliseconds"),
        command=session.command,
        arm=replace(arm, target=_recorded_target(arm.target)),
        workload=session.workload,
        environment=measured_on,
        checkpoint=_recorded_checkpoint(loaded.checkpoint),
        load_s=load_s,
        predicted_memory_bytes=predicted_bytes,
        notices=check(measured_on),
    )
    session.store.add_run(run)
    session.on_event(Started(run))
    progress = Progress(session.plan)
    found = {notice.code: notice for notice in run.notices}
    status: RunStatus = "aborted"
    try:
        for record in trials(loaded, arm, progress):
            session.store.add_trial(run.run_id, record)
            session.on_event(TrialEnded(run, record, progress))
            if isinstance(record.trial, Completed):
                found |= {notice.code: notice for notice in record.trial.notices}
        status = "done" if progress.measured and not progress.hopeless() else "failed"
    finally:
        found |= {notice.code: notice for notice in notices(progress)}
        session.store.finish_run(run.run_id, status, tuple(found.values()))
    session.on_event(Finished(run, status))
    return run.run_id


def _recorded_target(target: Target) -> Target:
    return replace(target, location=without_home(target.location))


def _recorded_checkpoint(checkpoint: Checkpoint | None) -> Checkpoint | None:
    return checkpoint and replace(checkpoint, directory=without_home(checkpoint.directory))


def _check_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    engine: Engine = engines.engine(target.engine)
    needed = engine.predict_memory(target, arms)
    accelerator = collect_accelerator()
    usable = usable_memory_bytes(accelerator.backend, accelerator.memory_bytes)
    if needed is not None and usable is not None and not fits(needed, usable):
        raise DoesNotFitError(
            f"{target.model} needs about {needed / GIB:.1f} GiB (weights, KV cache and 10 % "
            f"headroom) and {usable / GIB:.1f} GiB are usable",
            "close other programs, choose a smaller model, or lower --depth, --prompt-tokens, "
            "--batch-size or --kv-bits",
        )
    return needed
