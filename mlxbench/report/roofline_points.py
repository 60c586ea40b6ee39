"""The decode rates of the store that a time model can be fitted to.

Only like is fitted to like: this machine, this version of MLX, one sequence, tokens decoded as
people run it, and nothing changed about the model (no kernel swapped in, no other routing, no
quantised cache, no other model beside it). Of the same weights and task the newest run counts.

The cache grows while a trial runs. Its rate is a mean over the trial, so it stands at the context
of the middle: what lay before the first token, and half of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxbench import roofline
from mlxbench.measure.interleaving import WORKLOAD as COMPARISON
from mlxbench.records import Checkpoint, Environment, Options, Run, Shape, Timed, machine_key
from mlxbench.report.summary import summarise
from mlxbench.roofline import Observation
from mlxbench.stats import Estimate
from mlxbench.store import Store

# Kernels per token of a checkpoint at a context; `None` where that cannot be told.
Count = Callable[[Checkpoint, int], int | None]


@dataclass(frozen=True, slots=True)
class Point:
    """A measured rate, with what a token read at the middle of a trial and in how many kernels."""

    run_id: str
    model: str
    test: str
    shape: Shape
    active_bytes: int
    context: float
    bytes_per_token: float
    kernels: int
    tps: Estimate

    @property
    def observation(self) -> Observation:
        """The point as a fit takes it."""
        return Observation(self.model, self.bytes_per_token, self.kernels, 1 / self.tps.value)


def points(store: Store, here: Environment, count: Count) -> list[Point]:
    """Every stored rate of this machine that is fit to be fitted, newest first."""
    runs = [
        run
        for run in store.runs()
        if _is_stock(run) and _machine(run.environment) == _machine(here)
    ]
    facts = store.trial_facts([run.run_id for run in runs])
    found: dict[tuple[Any, ...], Point] = {}
    for run in runs:
        key = (run.checkpoint and run.checkpoint.fingerprint, run.arm.task)
        tps = summarise(run, facts[run.run_id]).decode_tps
        point = _point(run, tps, count) if tps and key not in found else None
        if point:  # a newer run without a rate does not hide an older one
            found[key] = point
    return list(found.values())


def middle(task: Timed) -> float:
    """Tokens before the one in the middle of a trial: the context that its rate belongs to."""
    return task.depth + task.prompt_tokens + task.generation_tokens / 2


def _point(run: Run, tps: Estimate, count: Count) -> Point | None:
    checkpoint, task = run.checkpoint, run.arm.task
    assert checkpoint is not None and isinstance(task, Timed)
    found, kept = roofline.checkpoint_bytes(checkpoint), checkpoint.kv_bytes_per_token
    context = middle(task)
    kernels = count(checkpoint, round(context))
    if found is None or kept is None or kernels is None or checkpoint.shape is None:
        return None
    return Point(
        run_id=run.run_id,
        model=run.arm.target.model,
        test=run.test,
        shape=checkpoint.shape,
        active_bytes=found.active,
        context=context,
        bytes_per_token=roofline.bytes_per_token(found.active, kept, context),
        kernels=kernels,
        tps=tps,
    )


def _is_stock(run: Run) -> bool:
    """Whether a run is a whole decode measurement with nothing changed about the model."""
    task, options = run.arm.task, run.arm.options
    timed = (
        isinstance(task, Timed)
        and (task.kind, task.mode, task.batch_size) == ("decode", "pipelined", 1)
        and task.sampler.greedy
    )
    stock = options == Options(prefill_step_size=options.prefill_step_size) and not run.resident
    known = run.checkpoint is not None and run.checkpoint.shape is not None
    whole = run.status == "done" and run.workload != COMPARISON
    return run.arm.target.engine == "mlx" and timed and stock and known and whole


def _machine(environment: Environment) -> tuple[object, ...]:
    """What makes two rates comparable."""
    return (*machine_key(environment), environment.versions.get("mlx"))
