"""Re-packing codes and constants: worked by hand, and against both libraries."""

from __future__ import annotations

import gguf
import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from mlxbench.gguf_export.blocks import as_float32, pack, to_half


def floats(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_a_block_is_worked_by_hand() -> None:
    # Code i of a block is i mod 16: MLX's first byte holds codes 0 (low) and 1 (high).
    codes = np.array([0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE] * 2, np.uint8)
    blocks, rounding = pack(codes, floats([0.5]), floats([-2.0]), 32)
    # f16: 0.5 is 0x3800, -2 is 0xC000. Byte i holds codes i and i + 16, which are equal here.
    assert blocks.tolist() == [[0x00, 0x38, 0x00, 0xC0, *(17 * code for code in range(16))]]
    assert rounding.constants == 0


@pytest.mark.parametrize("group_size", [32, 64, 128])
@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_both_dequantisers_give_the_same_bits(group_size: int, dtype: mx.Dtype) -> None:
    mx.random.seed(group_size)
    codes, *constants = mx.quantize(mx.random.normal((48, 256)), group_size, 4)
    scales, biases = (one.astype(dtype).astype(mx.float32) for one in constants)
    assert (np.array(scales) < 0).any()
    assert (np.array(scales) > 0).any()
    blocks, rounding = pack(
        np.array(codes).view(np.uint8),
        np.array(scales).ravel(),
        np.array(biases).ravel(),
        group_size,
    )
    assert rounding.constants == 0
    theirs = gguf.quants.dequantize(blocks.reshape(48, -1), gguf.GGMLQuantizationType.Q4_1)
    ours = np.array(mx.dequantize(codes, scales, biases, group_size, 4))
    assert np.array_equal(theirs.view(np.uint32), ours.view(np.uint32))


def test_constants_that_f16_cannot_hold_are_counted_with_the_largest_error() -> None:
    halves, rounding = to_half(floats([1.0, 1.0 + 2.0**-12, 2.0**-24, 1.5 * 2.0**-24, 0.0]))
    # 1 + 2^-12 lies between two f16 values; 2^-24 is the smallest of all; 1.5 times it goes to 2.
    assert halves.astype(np.float64).tolist() == [1.0, 1.0, 2.0**-24, 2.0**-23, 0.0]
    assert rounding.constants == 2
    assert rounding.largest_error == pytest.approx(1 / 3)


@pytest.mark.parametrize("value", [70000.0, float("inf"), float("nan")])
def test_a_constant_beyond_f16_has_an_infinite_error(value: float) -> None:
    assert to_half(floats([1.0, value]))[1].largest_error == float("inf")


def test_bf16_is_the_upper_half_of_f32() -> None:
    assert as_float32(np.array([0x3F80, 0xC040], np.uint16), "BF16").tolist() == [1.0, -3.0]
