"""One kernel on two backends, with equal inputs: do the outputs agree?

Each output of the one is held to the other's as if that were the truth. Both may be off by their
own tolerance, so twice as much is allowed between them; indices have to be equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

import mlx.core as mx

from mlxbench.errors import MlxbenchError
from mlxbench.lab import backends, msl
from mlxbench.lab.backends import Backend, closely
from mlxbench.lab.checking import DTYPE_NAMES
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Kernel, Outputs, Tolerance
from mlxbench.lab.judging import Judged, judge
from mlxbench.lab.rounding import exact

PROBE = msl.KernelSource(
    name="self_test_probe",
    input_names=["x"],
    output_names=["y"],
    source="uint i = thread_position_in_grid.x; y[i] = 2 * x[i];",
)


def _no_kernels(found: Found, kernel: Kernel, closely: bool) -> NoReturn:  # noqa: ARG001
    raise AssertionError(f"{found.experiment.name} has the kernel {kernel.name}")


# For tricks in plain MLX, which need nothing that runs kernels.
PLAIN = Backend("mlx", "MLX on this device", True, _no_kernels)


def device_runner() -> Backend | None:
    """Metal or CUDA, where there is one of them."""
    best = backends.METAL if mx.metal.is_available() else backends.CUDA
    try:
        return backends.choose(best)
    except MlxbenchError:
        return None


def cpu_runner() -> Backend | str:
    """The runner of Metal source on the CPU, proved by a kernel; or why there is none here."""
    launch = msl.Launch(
        grid=(32, 1, 1),
        threadgroup=(32, 1, 1),
        output_shapes=[(32,)],
        output_dtypes=[mx.float32],
    )
    try:
        found = backends.choose(backends.MSL_CPU)
        msl.run(PROBE, [mx.ones(32)], launch)
    except MlxbenchError as error:
        return str(error)
    return found


def narrowed(found: Found, most_bytes: int, dtypes: tuple[str, ...], most_cases: int) -> Found:
    """The experiment with the first of those cases that move no more bytes than `most_bytes`."""
    experiment = found.experiment
    kept = tuple(dtype for dtype in experiment.dtypes if DTYPE_NAMES[dtype] in dtypes)
    cases = [
        case
        for case in (*experiment.cases, *experiment.edge_cases)
        if experiment.bytes_moved(case, mx.float32) <= most_bytes
    ]
    fewer = replace(experiment, cases=tuple(cases[:most_cases]), edge_cases=(), dtypes=kept)
    return replace(found, experiment=fewer)


def at_decode_shape(found: Found, dtype: str) -> Found:
    """The experiment with its first case, the shape of a real model's step, in one type only."""
    experiment = found.experiment
    kept = tuple(one for one in experiment.dtypes if DTYPE_NAMES[one] == dtype)
    fewer = replace(experiment, cases=experiment.cases[:1], edge_cases=(), dtypes=kept)
    return replace(found, experiment=fewer)


def compare(found: Found, one: Backend, other: Backend, seed: int = 0) -> Iterator[Judged]:
    """Every output of every case and type of an experiment on `one`, held to `other`'s."""
    experiment = found.experiment
    for case in (*experiment.cases, *experiment.edge_cases):
        for dtype in experiment.dtypes:
            outputs = _run(found, one, case, dtype, seed)
            truth = tuple(exact(output) for output in _run(found, other, case, dtype, seed))
            held = replace(
                experiment,
                reference=lambda *_, truth=truth: truth,
                tolerances=tuple(map(_doubled, experiment.tolerances)),
            )
            inputs = experiment.make_inputs(case, dtype, seed)
            for judged in judge(held, case, inputs, outputs):
                where = f"{case.name}, {DTYPE_NAMES[dtype]}, {judged.output}"
                yield replace(judged, output=where)


def _run(found: Found, backend: Backend, case: Case, dtype: mx.Dtype, seed: int) -> Outputs:
    launchers = backend.launchers(found, closely(found, case, dtype))
    outputs = found.experiment.run(launchers, found.experiment.make_inputs(case, dtype, seed), case)
    mx.eval(outputs)
    return outputs


def _doubled(tolerance: Tolerance) -> Tolerance:
    return replace(
        tolerance, roundings=2 * tolerance.roundings, terms=4 * tolerance.terms, like_stock=False
    )
