"""What mlx hands out of a custom kernel, and that a change there is noticed."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import pytest

from mlxbench.lab.msl import AssemblyError, KernelSource, Launch, assemble, translating
from mlxbench.lab.msl.assembling import Assembled, read_arguments

KERNEL = KernelSource(
    name="odd",
    input_names=["x", "few", "n", "mask"],
    output_names=["y", "z"],
    source="uint i = thread_position_in_grid.x;\n"
    "y[i] = x[i] * x_shape[0] + x_ndim + n;  // x_strides",
    header="// ours\n",
)
LAUNCH = Launch(
    grid=(96, 2, 1),
    threadgroup=(32, 1, 1),
    output_shapes=[(96,), (3,)],
    output_dtypes=[mx.bfloat16, mx.uint32],
    template=[("T", mx.float16), ("N", -3), ("FLAG", True)],
)
INPUTS = [mx.zeros((8, 12)), mx.zeros((3,), mx.int32), mx.array(2), mx.zeros((96,), mx.bool_)]
ARGUMENTS: list[Any] = ["name", "text", 96, 2, 1, 32, 1, 1, [(False, False, False)]]


def test_the_source_is_taken_apart_as_mlx_put_it_together() -> None:
    assembled = assemble(KERNEL, INPUTS, LAUNCH)
    assert assembled.name.startswith("custom_kernel_odd_")
    assert assembled.buffers == (
        *("x", "x_shape", "x_strides", "x_ndim", "few", "n", "mask", "y", "z"),
    )
    assert assembled.header == KERNEL.header
    assert assembled.source == KERNEL.source
    assert assembled.signature.splitlines() == [
        "template <typename T, int N, bool FLAG>",
        f"[[kernel]] void {assembled.name}(",
        "  const device float* x [[buffer(0)]],",
        "  const constant int* x_shape [[buffer(1)]],",
        "  const constant int64_t* x_strides [[buffer(2)]],",
        "  const constant int& x_ndim [[buffer(3)]],",
        "  const constant int32_t* few [[buffer(4)]],",
        "  const constant int32_t& n [[buffer(5)]],",
        "  const device bool* mask [[buffer(6)]],",
        "  device bfloat16_t* y [[buffer(7)]],",
        "  device uint32_t* z [[buffer(8)]],",
        "  uint3 thread_position_in_grid [[thread_position_in_grid]]) {",
    ]
    assert assembled.end.startswith("\n}\n\ntemplate [[host_name(")
    assert f"decltype({assembled.name}<float16_t, -3, 1>)" in assembled.end


def test_a_kernel_without_a_template_ends_with_its_brace() -> None:
    launch = Launch(
        grid=(32, 1, 1), threadgroup=(32, 1, 1), output_shapes=[(1,)], output_dtypes=[mx.float32]
    )
    kernel = KernelSource(name="k", input_names=["x"], output_names=["y"], source="y[0] = x[0];")
    assert assemble(kernel, [mx.zeros((9,))], launch).end == "\n}\n"


def test_arguments_in_the_known_layout_are_read() -> None:
    assert read_arguments(ARGUMENTS, 1, LAUNCH) == ("name", "text", [(False, False, False)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0: 5}, "not name and source"),
        ({2: 32}, "grid and threadgroup read"),
        ({8: [(False, False)]}, "what its inputs need"),
        ({8: []}, "what its inputs need"),
        ({8: None}, "what its inputs need"),
    ],
)
def test_arguments_in_another_layout_are_refused(change: dict[int, Any], words: str) -> None:
    arguments = [change.get(i, value) for i, value in enumerate(ARGUMENTS)]
    with pytest.raises(AssemblyError, match=words):
        read_arguments(arguments, 1, LAUNCH)


@pytest.mark.parametrize("arguments", [None, [], ARGUMENTS[:8], {"name": "x"}])
def test_something_else_than_arguments_is_refused(arguments: Any) -> None:
    with pytest.raises(AssemblyError, match="unknown form"):
        read_arguments(arguments, 1, LAUNCH)


def assembled(**changes: Any) -> Assembled:
    parts: dict[str, Any] = {
        "name": "k", "header": "", "source": "y[0] = x[0];", "end": "\n}\n", "buffers": ("x", "y"),
        "signature": "[[kernel]] void k(\n  const device float* x [[buffer(0)]],\n"
        "  device float* y [[buffer(1)]]) {\n",
    }  # fmt: skip
    return Assembled(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"buffers": ("x", "x_shape", "y")}, "where ..x., .x_shape., .y.. were expected"),
        ({"end": "\n}\n#pragma METAL\n"}, "ends with"),
        ({"signature": "[[kernel]] void k(\n  float x) {\n"}, "unknown form"),
    ],
)
def test_text_in_another_form_is_refused(changes: dict[str, Any], words: str) -> None:
    translating.translate("k", assembled())
    with pytest.raises(AssemblyError, match=words):
        translating.translate("k", assembled(**changes))
