"""Our kernels' twins compile for a real GPU in every form that is used; mistakes do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import pytest

from mlxbench.lab.cuda import twin
from mlxbench.lab.cuda.drop_in import refuse_inputs, refuse_launch
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Kernel
from tests.kernels.judging import FOUND
from tests.lab.cuda import nvrtc
from tests.lab.cuda.assembling import HEADERS, Instance, assemble

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing())

OURS = [(found, kernel) for found in FOUND.values() for kernel in found.experiment.kernels]


def instances(found: Found, kernel: Kernel, cases: Sequence[Case]) -> list[Instance]:
    """Every form of a kernel in these cases and the types of its experiment."""
    experiment, seen = found.experiment, dict[Instance, None]()

    def launcher(of: Kernel) -> Any:
        def call(*, inputs: Any, template: Any, output_shapes: Any, **named: Any) -> Any:
            refuse_launch(of.name, named["grid"], named["threadgroup"])
            refuse_inputs(of.name, of.inputs, inputs, of.scalars)
            if of is kernel:
                types = tuple((array.dtype, array.ndim) for array in inputs)
                seen[Instance(types, tuple(named["output_dtypes"]), tuple(template))] = None
            return [
                mx.zeros(shape, dtype)
                for shape, dtype in zip(output_shapes, named["output_dtypes"], strict=True)
            ]

        return call

    launchers = {each.name: launcher(each) for each in experiment.kernels}
    for case in cases:
        for dtype in experiment.dtypes:
            experiment.run(launchers, experiment.make_inputs(case, dtype, 1), case)
    return list(seen)


@pytest.mark.parametrize(("found", "kernel"), OURS, ids=[kernel.name for _, kernel in OURS])
def test_every_form_of_a_kernel_compiles(found: Found, kernel: Kernel) -> None:
    experiment = found.experiment
    forms = instances(found, kernel, (*experiment.cases, *experiment.edge_cases))
    assert len(forms) >= len(experiment.cases) * len(experiment.dtypes)
    made = twin(found.source(kernel), found.header(kernel), kernel.inputs, kernel.scalars)
    assert nvrtc.compile_cuda(assemble(made, kernel.outputs, forms), HEADERS) > 0


# In the kernels' own text: what replaces what, and what the compiler then says.
MISTAKES = {
    "an unknown function": (
        "softmax_topk",
        "top = simd_max(top)",
        "top = simd_maximum(top)",
        'identifier "simd_maximum" is undefined',
    ),
    "an unknown name of metal's": (
        "softmax_topk",
        "metal::precise::exp(value[i] - top)",
        "metal::precise::expf(value[i] - top)",
        'has no member "expf"',
    ),
    "an unknown place": (
        "moe_down",
        "= threadgroup_position_in_grid.z",
        "= threadgroup_place_in_grid.z",
        'identifier "threadgroup_place_in_grid" is undefined',
    ),
    "the address of numbers of another type": (
        "moe_gate_up",
        "word_dot(g.x, part)",
        "word_dot(g.x, gate_weight)",
        "incompatible with parameter of type",
    ),
    "the address of a constant made writable": (
        "moe_gate_up",
        "uint2 g = *reinterpret_cast<const device uint2*>",
        "uint2 g = *reinterpret_cast<device uint2*>",
        "cast away const",
    ),
    "a write to an input": (
        "moe_down",
        "        y[size_t(token) * D",
        "        down_scales[0] = 0;\n        y[size_t(token) * D",
        "must be a modifiable lvalue",
    ),
    "too much threadgroup memory": (
        "moe_down",
        "sums[SIMDS * ROWS]",
        "sums[20000]",
        "too much shared data",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_kernel_does_not_compile(mistake: str) -> None:
    name, old, new, said = MISTAKES[mistake]
    found, kernel = next(pair for pair in OURS if pair[1].name == name)
    source = found.source(kernel)
    assert source.count(old) == 1
    made = twin(source.replace(old, new), found.header(kernel), kernel.inputs, kernel.scalars)
    program = assemble(made, kernel.outputs, instances(found, kernel, found.experiment.cases[1:2]))
    with pytest.raises(nvrtc.CompileError, match=said):
        nvrtc.compile_cuda(program, HEADERS)
