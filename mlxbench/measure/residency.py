"""Several models in memory at once: what it costs each of them, in speed and in memory.

Every arm is measured twice. First *alone*: one model after another is loaded, measured and closed.
Then *together*: all are loaded, and for each task their trials take turns, so that a trial runs
after another model has had the caches and the device to itself. (Where one model needs more trials
than the others, its last ones follow its own.)

The two were measured apart, so whatever the machine did in between is in their ratio; a second look
on another day is worth more than a narrow interval. Memory is simpler: each model holds what it
holds, and together they need the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from mlxbench.measure.memory import refuse_unless_it_fits
from mlxbench.measure.opening import Opened, sharing_memory
from mlxbench.measure.runs import loaded, measure, predicted_bytes, trial_by_trial
from mlxbench.measure.session import Job, Session
from mlxbench.records import Options, Target, Task


@dataclass(frozen=True, slots=True)
class Residency:
    """The runs of each job, alone and together, in the order of the jobs."""

    alone: tuple[str, ...]
    together: tuple[str, ...]


def measure_resident(jobs: Sequence[Job], session: Session) -> Residency:
    """Measure `jobs` alone, then with all their targets in memory.

    Raises DoesNotFitError before anything is loaded, and what opening an engine raises. Trials
    committed by then stay in the store.
    """
    needs = _needs(jobs)
    known = [needed for needed in needs.values() if needed is not None]
    names = " and ".join(target.model for target in needs)
    refuse_unless_it_fits(f"having {names} in memory at once", sum(known))
    alone = measure(jobs, session)
    with ExitStack() as stack:
        opened = sharing_memory(
            {
                target: stack.enter_context(loaded(target, needed, session))
                for target, needed in needs.items()
            }
        )
        together: dict[int, str] = {}
        for places in _by_task(jobs):
            group = [jobs[place] for place in places]
            together |= zip(places, _in_turns(group, opened, session), strict=True)
    return Residency(tuple(alone), tuple(together[place] for place in range(len(jobs))))


def _needs(jobs: Sequence[Job]) -> dict[Target, int | None]:
    targets = dict.fromkeys(job.arm.target for job in jobs)
    return {
        target: predicted_bytes(target, [job for job in jobs if job.arm.target == target])
        for target in targets
    }


def _by_task(jobs: Sequence[Job]) -> list[list[int]]:
    """The places of jobs that do the same: a model that changes tasks fills its context anew."""
    groups: dict[tuple[Task, Options], list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault((job.arm.task, job.arm.options), []).append(place)
    return list(groups.values())


def _in_turns(jobs: Sequence[Job], opened: Mapping[Target, Opened], session: Session) -> list[str]:
    """The run ids of `jobs`, whose trials took turns."""
    with ExitStack() as stack:
        return take_turns(
            [
                stack.enter_context(
                    closing(trial_by_trial(opened[job.arm.target], _unhurried(job, jobs), session))
                )
                for job in jobs
            ]
        )


def _unhurried(job: Job, jobs: Sequence[Job]) -> Job:
    """The job with time for the others' trials, which pass between its own."""
    return replace(job, plan=replace(job.plan, budget_s=job.plan.budget_s * len(jobs)))


def take_turns(running: Sequence[Iterator[str]]) -> list[str]:
    """One trial of each in turn, always in the same order, until all have ended; their run ids."""
    run_ids = [next(trials) for trials in running]
    going = list(running)
    while going:
        going = [trials for trials in going if next(trials, None) is not None]
    return run_ids
