"""Is an output right? Against the truth, element by element, within what rounding explains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.lab.experiment import Case, Experiment, Inputs, Outputs, Tolerance
from mlxbench.lab.rounding import FORMATS, Values, exact

NEAR_STOCK = 1.25
UNIT = 2.0**-24  # half the distance between neighbours of one in float32


@dataclass(frozen=True, slots=True)
class Judged:
    """One output: its largest error, what was allowed there, and what is wrong, if anything is.

    `max_error` is the error that lies furthest over its own limit, or the largest where none does;
    both are `None` for indices, which are equal or not.
    """

    output: str
    max_error: float | None
    tolerance: float | None
    fault: str | None


def judge(experiment: Experiment, case: Case, inputs: Inputs, outputs: Outputs) -> Iterator[Judged]:
    """Every output of a run. Outputs that are no arrays, or too few, are faults as well."""
    stock = experiment.stock(inputs, case)
    truths = experiment.reference(inputs, case)
    sizes = experiment.magnitudes(inputs, case) if experiment.magnitudes else [None] * len(truths)
    if not isinstance(outputs, tuple | list) or len(outputs) != len(truths):
        names = ", ".join(experiment.outputs)
        yield Judged(names, None, None, f"{len(truths)} outputs are wanted: {names}")
        return
    for name, output, usual, truth, size, tolerance in zip(
        experiment.outputs, outputs, stock, truths, sizes, experiment.tolerances, strict=True
    ):
        if wrong := _unlike(output, usual):
            yield Judged(name, None, None, wrong)
        elif tolerance.exact:
            yield Judged(name, None, None, _unequal(exact(output), truth))
        else:
            yield _close(name, output, usual, truth, size, tolerance)


def _unlike(output: Any, usual: mx.array) -> str | None:
    if not isinstance(output, mx.array):
        return f"is a {type(output).__name__}, not an array"
    if output.shape != usual.shape or output.dtype != usual.dtype:
        return f"is {output.shape} {output.dtype}, not {usual.shape} {usual.dtype}"
    return None


def _unequal(values: Values, truth: np.ndarray[Any, Any]) -> str | None:
    different = np.argwhere(values != truth)
    if not len(different):
        return None
    at = tuple(int(index) for index in different[0])
    return f"{len(different)} differ, the first at {list(at)}: {values[at]:g}, not {truth[at]:g}"


def _close(
    name: str,
    output: mx.array,
    usual: mx.array,
    truth: np.ndarray[Any, Any],
    size: np.ndarray[Any, Any] | None,
    tolerance: Tolerance,
) -> Judged:
    values = exact(output)
    if not np.array_equal(np.isnan(values), np.isnan(truth)):
        wrong = int((np.isnan(values) != np.isnan(truth)).sum())
        return Judged(name, None, None, f"NaN elsewhere than in the truth, at {wrong} places")
    bits, _ = FORMATS[output.dtype]
    with np.errstate(invalid="ignore"):
        allowed = tolerance.roundings * 2.0**-bits * np.abs(truth)
        allowed = allowed + np.sqrt(tolerance.terms) * UNIT * (0.0 if size is None else size)
        allowed = np.where(np.isinf(truth), 0.0, allowed)  # infinity has no neighbours
        error = np.where(values == truth, 0.0, np.abs(values - truth))
        excess = np.nan_to_num(error - allowed, nan=-np.inf, posinf=np.inf)
    if not excess.size:
        return Judged(name, 0.0, 0.0, None)
    at = np.unravel_index(int(excess.argmax()), excess.shape)
    if excess[at] <= 0:
        return Judged(name, _largest(error), _largest(allowed), None)
    if tolerance.like_stock and _largest(error) <= (limit := _stocks_limit(usual, truth)):
        return Judged(name, _largest(error), limit, None)
    over = int((excess > 0).sum())
    fault = f"{over} of {excess.size} too far, the worst {error[at]:.3g} at {list(map(int, at))}"
    return Judged(name, float(error[at]), float(allowed[at]), fault)


def _largest(values: Values) -> float:
    """The largest finite one, 0 where there is none: NaN is compared by its places."""
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def _stocks_limit(usual: mx.array, truth: np.ndarray[Any, Any]) -> float:
    """What is as near to the truth as stock's own output."""
    ulp = 2.0 ** (1 - FORMATS[usual.dtype][0]) * _largest(np.abs(truth))
    return NEAR_STOCK * _largest(np.abs(exact(usual) - truth)) + ulp
