"""What the header knows is Metal, and compiles in CUDA; what it does not know does not."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.lab import msl
from mlxbench.lab.cuda import cuda_kernel, twin
from mlxbench.lab.experiment import Launcher
from tests.lab.cuda import nvrtc, spellings
from tests.lab.cuda.assembling import HEADERS, Instance, assemble

FLOATS = {mx.float32: 2.0**-18, mx.float16: 2.0**-9, mx.bfloat16: 2.0**-6}  # relative
compiling = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing())


def on_the_cpu() -> Launcher:
    return msl.metal_kernel(
        "spellings", spellings.INPUTS, spellings.OUTPUTS, spellings.SOURCE, spellings.HEADER
    )


def compiled(source: str, header: str = "", scalars: tuple[str, ...] = spellings.SCALARS) -> int:
    """The size of a kernel with the inputs x and n and the output y, in float."""
    made = twin(source, header, spellings.INPUTS, scalars)
    return nvrtc.compile_cuda(assemble(made, spellings.OUTPUTS, [form(mx.float32)]), HEADERS)


def form(dtype: mx.Dtype) -> Instance:
    template = (("T", dtype), ("N", 3), ("FLAG", True))
    return Instance(((dtype, 1), (mx.int32, 0)), (mx.float32,), template)


@pytest.mark.parametrize("dtype", FLOATS)
def test_each_spelling_is_metal(dtype: mx.Dtype) -> None:
    values = dict(zip(spellings.VALUES, np.array(spellings.run(on_the_cpu(), dtype)), strict=True))
    assert (values["n + 1"] == 6).all()
    assert (values["simd_sum(lane)"] == 31 * 32 / 2).all()
    assert values["simd_prefix_exclusive_sum(lane)"][[0, 1, 3, 33]].tolist() == [0, 0, 3, 0]
    assert values["(bits << 1u).y"].tolist() == [14] * spellings.THREADS


@compiling
@pytest.mark.parametrize("dtype", FLOATS)
def test_each_spelling_compiles(dtype: mx.Dtype) -> None:
    made = twin(spellings.SOURCE, spellings.HEADER, spellings.INPUTS, spellings.SCALARS)
    assert nvrtc.compile_cuda(assemble(made, spellings.OUTPUTS, [form(dtype)]), HEADERS) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not mx.cuda.is_available(), reason="MLX has no CUDA device here")
@pytest.mark.parametrize("dtype", FLOATS)
def test_each_value_is_the_same_in_cuda(dtype: mx.Dtype) -> None:
    kernel = cuda_kernel(
        "spellings",
        spellings.INPUTS,
        spellings.OUTPUTS,
        spellings.SOURCE,
        spellings.HEADER,
        scalars=spellings.SCALARS,
    )
    here, there = (np.array(spellings.run(each, dtype)) for each in (on_the_cpu(), kernel))
    close = np.isclose(there, here, rtol=FLOATS[dtype], atol=0).all(axis=1)
    assert [value for value, same in zip(spellings.VALUES, close, strict=True) if not same] == []


@compiling
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("y[0] = metal::erfinv(x[0]);", r"kernel\(1\): error: .*has no member \"erfinv\""),
        ("\n\ny[0] = nothing(x[0]);", r"kernel\(3\): error: identifier \"nothing\""),
        ("y[0] = n[0];", "must have pointer-to-object type"),
        ("const device uint* words = x; y[0] = words[0];", "cannot be used to initialize"),
        ("y[0] = as_type<ushort>(x[0]);", "as_type between types of different sizes"),
        ("threadgroup_barrier(2); y[0] = x[0];", "incompatible with parameter of type"),
    ],
)
def test_a_mistake_does_not_compile(source: str, said: str) -> None:
    with pytest.raises(nvrtc.CompileError, match=said):
        compiled(source)


@compiling
def test_a_mistake_in_the_header_is_on_its_own_line() -> None:
    with pytest.raises(nvrtc.CompileError, match=r"header\(2\): error"):
        compiled("y[0] = f(x[0]);", "\ninline float f(float x) { return g(x); }")


@compiling
def test_an_input_without_dimensions_that_is_not_named_is_a_pointer() -> None:
    with pytest.raises(nvrtc.CompileError):
        compiled("y[0] = x[0] * n;", scalars=())


@compiling
def test_memories_mixed_up_are_only_seen_by_the_runner_on_the_cpu() -> None:
    source = "threadgroup float s[1]; s[0] = 1; y[0] = f(s) + x[0] + n;"
    header = "inline float f(const device float* p) { return p[0]; }"
    assert compiled(source, header) > 0
    kernel = msl.metal_kernel("mixed_up", ["x", "n"], ["y"], source, header)
    with pytest.raises(msl.KernelError, match="compile-error"):
        kernel(
            inputs=[mx.ones(32), mx.array(5)],
            grid=(32, 1, 1),
            threadgroup=(32, 1, 1),
            output_shapes=[(1,)],
            output_dtypes=[mx.float32],
        )
