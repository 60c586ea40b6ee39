"""Numbers are rounded as mlx rounds them, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest

from tests.lab.msl.cases import Case

ALL_16_BITS = mx.arange(1 << 16).astype(mx.uint16)
NARROW = [mx.bfloat16, mx.float16]


def converted(x: mx.array, to: mx.Dtype, expression: str = "x[i]") -> mx.array:
    case = Case(
        source=f"y[i] = T({expression});",
        inputs=[x],
        n_outputs=x.size,
        grid=x.size,
        threadgroup=1024,
        dtype=to,
        template=[("T", to)],
    )
    return case.output()


def assert_same_bits(a: mx.array, b: mx.array) -> None:
    """Equal bits, where not both are NaN: which NaN is nobody's promise."""
    both_nan = np.array(mx.isnan(a) & mx.isnan(b))
    unsigned = mx.uint16 if a.dtype.size == 2 else mx.uint32
    different = np.array(a.view(unsigned)) != np.array(b.view(unsigned))
    assert not (different & ~both_nan).any()


def hard_floats() -> mx.array:
    """Floats of every exponent, and those around the middle between two narrow ones."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 1 << 32, 1 << 15, dtype=np.uint32)
    middles = rng.integers(0, 1 << 16, 1 << 13, dtype=np.uint32) << 16 | 0x8000
    half_middles = rng.integers(0, 1 << 19, 1 << 13, dtype=np.uint32) << 13 | 0x1000
    near = np.concatenate([m + d - 1 for m in (middles, half_middles) for d in range(3)])
    return mx.array(np.concatenate([bits, near[: 1 << 15]]).astype(np.uint32)).view(mx.float32)


@pytest.mark.parametrize("dtype", NARROW)
def test_every_narrow_value_widens_exactly(dtype: mx.Dtype) -> None:
    values = ALL_16_BITS.view(dtype)
    assert_same_bits(converted(values, mx.float32), values.astype(mx.float32))


@pytest.mark.parametrize("dtype", NARROW)
def test_floats_narrow_with_the_rounding_of_mlx(dtype: mx.Dtype) -> None:
    values = hard_floats()
    assert_same_bits(converted(values, dtype), values.astype(dtype))


def test_narrow_values_turn_into_one_another_as_in_mlx() -> None:
    for one, other in (NARROW, NARROW[::-1]):
        values = ALL_16_BITS.view(one)
        got = converted(values, other, "float(x[i])")
        assert_same_bits(got, values.astype(mx.float32).astype(other))


@pytest.mark.parametrize("dtype", NARROW)
def test_each_narrow_operation_is_rounded_once(dtype: mx.Dtype) -> None:
    values = ALL_16_BITS.view(dtype)
    other = mx.array(1.7).astype(dtype)
    got = converted(values, dtype, "x[i] * T(1.7f) + x[i]")
    assert_same_bits(got, values * other + values)


def test_float_arithmetic_is_neither_fused_nor_reordered() -> None:
    values = hard_floats()
    got = converted(values, mx.float32, "x[i] * 1.1f + 0.3f")
    product = values * mx.array(1.1)
    mx.eval(product)
    assert_same_bits(got, product + mx.array(0.3))


UNARY: dict[str, Callable[[float], float]] = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos,
    "tanh": math.tanh, "floor": math.floor, "ceil": math.ceil, "fabs": math.fabs,
    "exp2": lambda x: 2.0**x, "log2": math.log2, "rsqrt": lambda x: x**-0.5, "trunc": math.trunc,
    "precise::exp": math.exp, "fast::log": math.log, "rint": round, "atan": math.atan,
    "exp10": lambda x: 10.0**x, "sinh": math.sinh, "asinh": math.asinh, "fract": lambda x: x % 1,
}  # fmt: skip


def test_mathematics_agrees_with_the_real_functions() -> None:
    stores = "\n".join(f"y[{k * 64} + i] = metal::{name}(x[i]);" for k, name in enumerate(UNARY))
    values = np.linspace(0.1, 9, 64, dtype=np.float32)
    case = Case(source=stores, inputs=[mx.array(values)], n_outputs=64 * len(UNARY))
    rows = np.array(case.output()).reshape(-1, 64)
    for row, (name, function) in zip(rows, UNARY.items(), strict=True):
        expected = np.array([function(float(x)) for x in values])
        assert np.allclose(row, expected, rtol=1e-6, atol=1e-6), name


def test_integers_and_bits() -> None:
    calls = {
        "popcount(0xf0f0u)": 8, "clz(1u)": 31, "clz(0)": 32, "ctz(8)": 3, "ctz(0u)": 32,
        "clz(short(1))": 15, "popcount(char(-1))": 8, "rotate(1u, 33u)": 2,
        "mulhi(0x80000000u, 6u)": 3, "extract_bits(0xabcdu, 4, 8)": 0xBC,
        "reverse_bits(2u) >> 28": 4, "metal::abs(-3)": 3, "metal::clamp(7, 1, 5)": 5,
        "as_type<int>(1.0f)": 0x3F800000, "int(uchar(300))": 44, "char(200)": -56,
        "metal::min(3u, 4u)": 3, "int(metal::isnan(NAN))": 1, "ceildiv(7, 4)": 2,
        "int(Limits<half>::finite_max)": 65504, "numeric_limits<short>::min()": -32768,
    }  # fmt: skip
    stores = "\n".join(f"y[{k}] = {call};" for k, call in enumerate(calls))
    case = Case(source=f"if (i == 0) {{ {stores} }}", n_outputs=len(calls), dtype=mx.int32)
    assert dict(zip(calls, np.array(case.output()).tolist(), strict=True)) == calls
