"""A wrapper that was written for Metal runs here, and gets errors where it is wrong."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import pytest

from mlxbench.errors import InputError
from mlxbench.lab.msl import Checks, KernelError, Kind, metal_kernel, metal_on_cpu

TWICE = "uint i = thread_position_in_grid.x; y[i] = 2 * x[i];"
LAUNCH: dict[str, Any] = {
    "grid": (32, 1, 1),
    "threadgroup": (32, 1, 1),
    "output_shapes": [(32,)],
    "output_dtypes": [mx.float32],
}


def test_the_context_puts_ours_in_its_place_and_takes_it_away() -> None:
    real, available = mx.fast.metal_kernel, mx.metal.is_available()
    with metal_on_cpu():
        assert mx.metal.is_available() == available
        kernel: Any = mx.fast.metal_kernel("twice", ["x"], ["y"], TWICE)
        assert kernel(inputs=[mx.ones(32)], **LAUNCH)[0].tolist() == [2.0] * 32
    assert mx.fast.metal_kernel is real
    with pytest.raises(KeyError), metal_on_cpu(claim_metal=True):
        assert mx.metal.is_available()
        raise KeyError
    assert mx.fast.metal_kernel is real
    assert mx.metal.is_available() == available
    assert kernel(inputs=[mx.zeros(32)], **LAUNCH)[0].tolist() == [0.0] * 32


def test_contexts_nest() -> None:
    with metal_on_cpu():
        outer = mx.fast.metal_kernel
        with metal_on_cpu(Checks(memory=False)):
            assert mx.fast.metal_kernel is not outer
        assert mx.fast.metal_kernel is outer


def test_the_calling_form_is_that_of_mlx() -> None:
    kernel = metal_kernel(
        name="all_of_it",
        input_names=["x", "n", "flag"],
        output_names=["y", "z"],
        source="uint i = thread_position_in_grid.x;\n"
        "y[i] = T(scaled(x[i], n) + FLAG + flag); if (i < 4) z[i] = N;",
        header="inline float scaled(float v, float by) { return v * by; }\n",
        ensure_row_contiguous=True,
        atomic_outputs=False,
    )
    y, z = kernel(
        inputs=[mx.ones((32,)), 1.5, True],
        template=[("T", mx.bfloat16), ("N", 7), ("FLAG", True)],
        grid=(32, 1, 1),
        threadgroup=(32, 1, 1),
        output_shapes=[(4, 8), [2, 4]],
        output_dtypes=[mx.bfloat16, mx.int32],
        init_value=3,
        verbose=False,
        stream=mx.cpu,
    )
    assert (y.shape, y.dtype) == ((4, 8), mx.bfloat16)
    assert y.flatten().tolist() == [3.5] * 32
    assert z.tolist() == [[7] * 4, [3] * 4]


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16, mx.int8, mx.bool_, mx.uint64])
def test_init_values_are_of_the_outputs_type(dtype: mx.Dtype) -> None:
    kernel = metal_kernel("nothing", ["x"], ["y"], "if (x[0] < 0) y[0] = 1;")
    (y,) = kernel(inputs=[mx.ones(1)], **(LAUNCH | {"output_dtypes": [dtype]}), init_value=1)
    assert mx.array_equal(y, mx.ones((32,), dtype))
    assert y.dtype == dtype


def test_outputs_without_elements() -> None:
    kernel = metal_kernel("nothing", ["x"], ["y"], "if (x[0] < 0) y[0] = 1;")
    (y,) = kernel(inputs=[mx.ones(1)], **(LAUNCH | {"output_shapes": [(0, 3)]}))
    assert y.shape == (0, 3)


def test_an_array_that_is_not_contiguous_is_made_so() -> None:
    kernel = metal_kernel("twice", ["x"], ["y"], TWICE)
    x = mx.arange(32).astype(mx.float32).reshape(4, 8)
    assert kernel(inputs=[x.T], **LAUNCH)[0].tolist() == (2 * x.T).flatten().tolist()


def test_inputs_stay_as_they_were() -> None:
    x = mx.ones(32)
    with pytest.raises(KernelError) as caught:
        metal_kernel("cheat", ["x"], ["y"], TWICE + "\n((device float*)x)[i] = 9;")(
            inputs=[x], **LAUNCH
        )
    assert caught.value.finding.kind is Kind.INPUT_WRITE
    assert x.tolist() == [1.0] * 32


def test_the_error_names_kernel_fault_line_and_what_to_do() -> None:
    kernel = metal_kernel("wide", ["x"], ["y"], TWICE.replace("x[i]", "\nx[i + 8]"))
    with pytest.raises(KernelError) as caught:
        kernel(inputs=[mx.ones(32)], **LAUNCH)
    assert str(caught.value) == (
        "Metal kernel 'wide': out-of-bounds at kernel line 2: thread 24 (SIMD group 0, lane 24) of "
        "threadgroup (0, 0, 0) touches element 32 of 'x', which has 32 elements; guard the index, "
        "or correct the shape or the grid"
    )


@pytest.mark.parametrize(
    "name", ["a-b c", "x; int y", "../../escape", 'k"\n#include "/etc/hostname', "k(", "π/2"]
)
def test_a_name_that_is_no_identifier_is_refused_and_goes_nowhere(name: str) -> None:
    with pytest.raises(KernelError) as caught:
        metal_kernel(name, ["x"], ["y"], TWICE)(inputs=[mx.ones(32)], **LAUNCH)
    assert caught.value.finding.kind is Kind.COMPILE_ERROR
    assert "is not an identifier" in str(caught.value)


@pytest.mark.parametrize("name", ["x y", "x\tinput", "x*", "device", "x;"])
def test_names_of_buffers_that_are_no_identifiers_do_not_compile(name: str) -> None:
    with pytest.raises(KernelError) as caught:
        metal_kernel("k", [name], ["y"], "y[thread_position_in_grid.x] = 0;")(
            inputs=[mx.ones(32)], **LAUNCH
        )
    assert caught.value.finding.kind is Kind.COMPILE_ERROR


def test_types_that_kernels_cannot_have_are_refused() -> None:
    kernel = metal_kernel("k", ["x"], ["y"], TWICE)
    with pytest.raises(KernelError, match="complex64"):
        kernel(inputs=[mx.zeros(32, mx.complex64)], **LAUNCH)


def test_what_mlx_says_of_wrong_arguments_comes_through() -> None:
    kernel = metal_kernel("twice", ["x"], ["y"], TWICE)
    with pytest.raises(ValueError, match="inputs"):
        kernel(inputs=[mx.ones(32), mx.ones(32)], **LAUNCH)


def test_a_kernel_inside_of_a_transformation_is_an_error_that_says_why() -> None:
    kernel = metal_kernel("twice", ["x"], ["y"], TWICE)

    def traced(x: mx.array) -> mx.array:
        return kernel(inputs=[x + 1], **LAUNCH)[0]

    with pytest.raises(InputError, match=r"run at once.*mx\.disable_compile"):
        mx.vmap(traced)(mx.ones((2, 32)))


def test_a_gradient_through_a_kernel_is_an_error_and_not_zero() -> None:
    kernel = metal_kernel("twice", ["x"], ["y"], TWICE)
    with pytest.raises(InputError, match="'twice' has no gradient"):
        mx.grad(lambda x: kernel(inputs=[x], **LAUNCH)[0].sum())(mx.ones(32))


def test_a_kernel_with_a_gradient_of_its_own_can_be_differentiated() -> None:
    kernel = metal_kernel("twice", ["x"], ["y"], TWICE)
    twice: Any = mx.custom_function(lambda x: kernel(inputs=[x], **LAUNCH)[0])
    twice.vjp(lambda primals, cotangent, output: 2 * cotangent)
    assert mx.grad(lambda x: twice(x).sum())(mx.ones(32)).tolist() == [2.0] * 32
