"""CUDA source as mlx assembles it around a custom kernel, imitated: it runs only where CUDA is.

From the texts in `libmlx.so` of mlx-cuda-12 0.32.4: its own header, then the kernel's, then in
mlx's namespace a function whose parameters are the inputs, each with its shape, strides and number
of dimensions where the source mentions them, and the outputs; template arguments are the first
lines of its body. mlx's own
header is represented here by those of its includes and names that a twin may use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx

from mlxbench.lab.cuda import Twin
from mlxbench.lab.msl.source import TemplateValue

UTILS = "mlx/backend/cuda/device/utils.cuh"
HEADERS = {
    UTILS: """#pragma once
#include <cuda/std/array>
#include <cuda/std/limits>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
namespace mlx::core::cu {
using Shape = cuda::std::array<int32_t, 10>;
using Strides = cuda::std::array<int64_t, 10>;
}
"""
}
TYPES = {
    mx.bool_: "bool",
    mx.uint8: "uint8_t",
    mx.uint16: "uint16_t",
    mx.uint32: "uint32_t",
    mx.uint64: "uint64_t",
    mx.int8: "int8_t",
    mx.int16: "int16_t",
    mx.int32: "int32_t",
    mx.int64: "int64_t",
    mx.float16: "__half",
    mx.bfloat16: "__nv_bfloat16",
    mx.float32: "float",
}


@dataclass(frozen=True, slots=True)
class Instance:
    """What decides over the text of a kernel at one call; `inputs` are types and dimensions."""

    inputs: tuple[tuple[mx.Dtype, int], ...]
    outputs: tuple[mx.Dtype, ...]
    template: tuple[tuple[str, TemplateValue], ...]


def assemble(twin: Twin, output_names: Sequence[str], instances: Sequence[Instance]) -> str:
    """One program with a function for each instance, where mlx makes a program for each."""
    functions = (
        _function(f"instance_{number}", twin, output_names, instance)
        for number, instance in enumerate(instances)
    )
    return (
        f'\n#include "{UTILS}"\n\n#include <cooperative_groups.h>\n\n{twin.header}'
        "namespace mlx::core::cu {\n\nnamespace cg = cooperative_groups;\n\n"
        + "".join(functions)
        + "\n} // namespace mlx::core::cu\n"
    )


def _function(name: str, twin: Twin, output_names: Sequence[str], instance: Instance) -> str:
    parameters = [*_inputs(twin, instance)]
    for output, dtype in zip(output_names, instance.outputs, strict=True):
        parameters.append(f"    {TYPES[dtype]}* {output}")
    constants = "".join(_constant(*argument) for argument in instance.template)
    listed = ",\n".join(parameters)
    return f"__global__ void {name}(\n{listed}) {{\n{constants}{twin.source}\n}}\n"


def _inputs(twin: Twin, instance: Instance) -> Iterator[str]:
    for name, (dtype, dimensions) in zip(twin.inputs, instance.inputs, strict=True):
        yield f"    const {TYPES[dtype]}* {name}"
        extras = {"shape": "Shape", "strides": "Strides", "ndim": "int"}
        for suffix, kind in extras.items():
            if dimensions and f"{name}_{suffix}" in twin.source:
                yield f"    const __grid_constant__ {kind} {name}_{suffix}"


def _constant(name: str, value: TemplateValue) -> str:
    if isinstance(value, bool):
        return f"  constexpr bool {name} = {str(value).lower()};\n"
    if isinstance(value, int):
        return f"  constexpr int {name} = {value};\n"
    return f"  using {name} = {TYPES[value]};\n"
