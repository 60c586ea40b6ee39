"""Is a kernel right? Every case and type of an experiment, run for real and held to its truth.

Kernels are also looked at for cheating, be it by accident: an input changed, an answer remembered
from the last call or made for one shape, an output that only looks computed. So each case runs with
two seeds that nobody could know beforehand, the first of them twice, and everything is evaluated.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from mlxbench.errors import MlxbenchError
from mlxbench.lab.backends import Backend, closely
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Inputs, Launchers, Outputs
from mlxbench.lab.judging import Judged, judge
from mlxbench.lab.rounding import exact

REPEATED_BYTES = 1 << 20
DTYPE_NAMES = {mx.float32: "float32", mx.bfloat16: "bfloat16", mx.float16: "float16"}


@dataclass(frozen=True, slots=True)
class Check:
    """One output of one case in one type: passed, or what was found."""

    kernel: str
    backend: str
    case: str
    dtype: str
    output: str
    passed: bool
    max_error: float | None
    tolerance: float | None
    finding: str | None


def check(
    found: Found, backend: Backend, on_case: Callable[[str], None] = lambda _: None
) -> Iterator[Check]:
    """Every check of an experiment, as it is done."""
    experiment = found.experiment
    for case in (*experiment.cases, *experiment.edge_cases):
        for dtype in experiment.dtypes:
            on_case(f"{experiment.name}: {case.name}, {DTYPE_NAMES[dtype]}")
            for judged in _judged(found, backend, case, dtype):
                yield Check(
                    experiment.name,
                    backend.verified_by,
                    case.name,
                    DTYPE_NAMES[dtype],
                    judged.output,
                    judged.fault is None,
                    judged.max_error,
                    judged.tolerance,
                    judged.fault,
                )


def _judged(found: Found, backend: Backend, case: Case, dtype: mx.Dtype) -> Sequence[Judged]:
    """The judgement of one case; what a kernel does that no kernel may is one as well."""
    experiment = found.experiment
    launchers = backend.launchers(found, closely(found, case, dtype))
    first, second = (secrets.randbelow(1 << 31) for _ in range(2))
    try:
        outputs, changed = _run(found, launchers, case, dtype, first)
        if changed:
            return [Judged(changed, None, None, "the kernel changed its input")]
        judged = list(judge(experiment, case, _inputs(found, case, dtype, first), outputs))
        if any(one.fault for one in judged) or not _is_worth_repeating(found, case, dtype):
            return judged
        other, _ = _run(found, launchers, case, dtype, second)
        again, _ = _run(found, launchers, case, dtype, first)
        fresh = list(judge(experiment, case, _inputs(found, case, dtype, second), other))
        if any(one.fault for one in fresh):
            return [_with_other_inputs(one) for one in fresh]
        if not _same(outputs, again):
            return [Judged(", ".join(experiment.outputs), None, None, "another result each time")]
        return [_worse(one, two) for one, two in zip(judged, fresh, strict=True)]
    except MlxbenchError as error:
        return [Judged(", ".join(experiment.outputs), None, None, error.problem)]
    except (RuntimeError, ValueError, TypeError) as error:  # how mlx and a stranger's code say no
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return [Judged(", ".join(experiment.outputs), None, None, message[:300])]


def _run(
    found: Found, launchers: Launchers, case: Case, dtype: mx.Dtype, seed: int
) -> tuple[Outputs, str | None]:
    """Evaluated outputs, and the name of an input that is not what it was, if there is one."""
    inputs = _inputs(found, case, dtype, seed)
    mx.eval(inputs)
    outputs = found.experiment.run(launchers, inputs, case)
    if isinstance(outputs, tuple | list):
        mx.eval([output for output in outputs if isinstance(output, mx.array)])
    untouched = _inputs(found, case, dtype, seed)
    for name, array in inputs.items():
        if not _equal(array, untouched[name]):
            return outputs, name
    return outputs, None


def _inputs(found: Found, case: Case, dtype: mx.Dtype, seed: int) -> Inputs:
    return found.experiment.make_inputs(case, dtype, seed)


def _is_worth_repeating(found: Found, case: Case, dtype: mx.Dtype) -> bool:
    """Small cases of one type: what a kernel remembers shows in them, and repeating costs time."""
    small = found.experiment.bytes_moved(case, dtype) <= REPEATED_BYTES
    return small and dtype == found.experiment.dtypes[0]


def _same(first: Outputs, second: Outputs) -> bool:
    return all(_equal(one, two) for one, two in zip(first, second, strict=True))


def _equal(one: mx.array, two: mx.array) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    return np.array_equal(exact(one), exact(two), equal_nan=True)


def _with_other_inputs(one: Judged) -> Judged:
    fault = one.fault and f"with other inputs of the same shape: {one.fault}"
    return Judged(one.output, one.max_error, one.tolerance, fault)


def _worse(one: Judged, two: Judged) -> Judged:
    return two if (two.max_error or 0.0) > (one.max_error or 0.0) else one
