"""The engine `kernel`: one operation again and again, so that comparisons can time it.

A trial is a chain: each launch depends on the one before, as in a decode step, so nothing overlaps
that could not overlap there. The inputs rotate through several sets, so that a small operation does
not run out of a cache that it would not find warm. A "token" is a launch: the rate is launches per
second, and the time per token is that of one launch, its share of dispatch included.

`Target.model` is `experiment/way`: `stock`, `ours`, or the name of a baseline. `Target.location`
is the experiment's folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import mlx.core as mx

from mlxbench.errors import InputError
from mlxbench.lab import backends, discovery
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Inputs, Outputs
from mlxbench.records import Arm, Checkpoint, Completed, Options, Request, Target, Timed, Trial

NAME = "kernel"
STOCK, OURS = "stock", "ours"
CHAIN = 48  # launches, after one that warms up
MOST_SETS, MOST_INPUT_BYTES = 8, 1 << 30

Way = Callable[[Inputs], Outputs]


def ways(found: Found, backend: backends.Backend) -> list[str]:
    """What can be timed of an experiment: a backend that only verifies times no kernel."""
    ours = [OURS] if backend.times or not found.experiment.kernels else []
    return [STOCK, *ours, *found.experiment.baselines]


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:  # noqa: ARG001 - protocol
    """Unknown, and bounded."""
    return None


def open(target: Target) -> BenchLoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """An experiment's way, with its inputs made."""
    name, _, way = target.model.partition("/")
    found = discovery.discover(Path(target.location).parent)[name]
    return BenchLoaded(found, way)


class BenchLoaded:
    """One way to do an experiment's operation."""

    def __init__(self, found: Found, way: str) -> None:
        self.checkpoint: Checkpoint | None = None
        experiment = found.experiment
        self._case, dtype = experiment.cases[0], experiment.dtypes[-1]
        if mx.bfloat16 in experiment.dtypes:
            dtype = mx.bfloat16
        self._way = _way(found, way)
        self._sets = [experiment.make_inputs(self._case, dtype, 0)]
        size = sum(array.nbytes for array in self._sets[0].values())
        count = max(1, min(MOST_SETS, MOST_INPUT_BYTES // max(1, size)))
        self._sets += [experiment.make_inputs(self._case, dtype, seed) for seed in range(1, count)]
        mx.eval(self._sets)

    def run(self, task: Request, options: Options, seed: int) -> Trial:  # noqa: ARG002 - protocol
        """One launch, then a chain of them; the stamps are after the first and after the last."""
        assert isinstance(task, Timed)
        count = task.generation_tokens
        began = time.perf_counter()
        outputs = self._launch(seed, None)
        mx.eval(outputs)
        first = time.perf_counter()
        for number in range(1, count):
            outputs = self._launch(seed + number, outputs)
        mx.eval(outputs)
        last = time.perf_counter()
        stamps = (first - began, last - began)
        return Completed("device", stamps, last - began, 1, count, 1, "length")

    def clock(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Give the inputs' memory back."""
        self._sets = []
        mx.clear_cache()

    def _launch(self, number: int, before: Outputs | None) -> Outputs:
        inputs = self._sets[number % len(self._sets)]
        if before is not None:  # a dependence costs no operation
            names = list(inputs)
            depending = mx.depends([inputs[name] for name in names], list(before))
            inputs = dict(zip(names, depending, strict=True))
        return self._way(inputs)


def _way(found: Found, name: str) -> Way:
    experiment = found.experiment
    case = experiment.cases[0]
    if name == STOCK:
        return lambda inputs: experiment.stock(inputs, case)
    if name == OURS:
        launchers = backends.choose(backends.AUTO).launchers(found) if experiment.kernels else {}
        return lambda inputs: experiment.run(launchers, inputs, case)
    if name not in experiment.baselines:
        raise InputError(f"{experiment.name} has no way {name!r}", "use stock, ours or a baseline")
    baseline = experiment.baselines[name]
    return lambda inputs: baseline(inputs, case)
