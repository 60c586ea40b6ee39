"""Every experiment's kernels, run as twins on a real GPU and held against their truth."""

from __future__ import annotations

import mlx.core as mx
import pytest

from mlxbench.lab.cuda import cuda_kernel
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Launchers
from tests.kernels.judging import FOUND, faults

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not mx.cuda.is_available(), reason="MLX has no CUDA device here"),
]
EVERY = [
    pytest.param(found, case, dtype, id=f"{name}-{case.name}-{str(dtype).rpartition('.')[2]}")
    for name, found in FOUND.items()
    for case in (*found.experiment.cases, *found.experiment.edge_cases)
    for dtype in found.experiment.dtypes
]


def launchers(found: Found) -> Launchers:
    return {
        kernel.name: cuda_kernel(
            kernel.name,
            kernel.inputs,
            kernel.outputs,
            found.source(kernel),
            found.header(kernel),
            kernel.ensure_row_contiguous,
            kernel.scalars,
        )
        for kernel in found.experiment.kernels
    }


@pytest.mark.parametrize(("found", "case", "dtype"), EVERY)
def test_it_is_right_against_the_truth(found: Found, case: Case, dtype: mx.Dtype) -> None:
    inputs = found.experiment.make_inputs(case, dtype, 1)
    outputs = found.experiment.run(launchers(found), inputs, case)
    assert faults(found, case, inputs, outputs) == []
