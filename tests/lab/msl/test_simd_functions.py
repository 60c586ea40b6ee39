"""SIMD functions give what Metal says they give, in the type of their argument."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from tests.lab.msl.cases import Case

LANES = np.arange(32)


def one_simdgroup(source: str, dtype: mx.Dtype = mx.float32) -> np.ndarray:
    case = Case(source=source, grid=32, threadgroup=32, n_inputs=32, n_outputs=32, dtype=dtype)
    return np.array(case.output())


def test_all_reductions_and_scans() -> None:
    calls = {
        "simd_sum(v)": np.full(32, (LANES + 1).sum()),
        "simd_max(v)": np.full(32, 32),
        "simd_min(v)": np.full(32, 1),
        "simd_product(v % 3 + 1)": np.full(32, np.prod((LANES + 1) % 3 + 1, dtype=np.int32)),
        "simd_and(v | 64)": np.full(32, 64),
        "simd_or(v)": np.full(32, 63),
        "simd_xor(v)": np.full(32, np.bitwise_xor.reduce(LANES + 1)),
        "simd_prefix_inclusive_sum(v)": np.cumsum(LANES + 1),
        "simd_prefix_exclusive_sum(v)": np.cumsum(LANES + 1) - LANES - 1,
        "simd_prefix_inclusive_product(v % 2 + 1)": 2 ** ((LANES + 2) // 2),
        "simd_prefix_exclusive_product(v % 2 + 1)": 2 ** ((LANES + 1) // 2),
    }
    _assert_each(calls)


def test_all_shuffles_and_broadcasts() -> None:
    calls = {
        "simd_shuffle(v, 31 - lane)": 32 - LANES,
        "simd_broadcast(v, 4)": np.full(32, 5),
        "simd_broadcast_first(v)": np.full(32, 1),
        "simd_shuffle_xor(v, 5)": (LANES ^ 5) + 1,
        "simd_shuffle_down(v, 3)": np.where(LANES < 29, LANES + 4, LANES + 1),
        "simd_shuffle_up(v, 3)": np.where(LANES > 2, LANES - 2, LANES + 1),
        "simd_shuffle_rotate_down(v, 3)": (LANES + 3) % 32 + 1,
        "simd_shuffle_rotate_up(v, 3)": (LANES - 3) % 32 + 1,
        "simd_shuffle_and_fill_down(v, v * 100, 3)": np.where(
            LANES < 29, LANES + 4, (LANES - 28) * 100
        ),
        "simd_shuffle_and_fill_up(v, v * 100, 3)": np.where(
            LANES > 2, LANES - 2, (LANES + 30) * 100
        ),
    }
    _assert_each(calls)


def test_all_votes() -> None:
    calls = {
        "simd_any(v == 7)": np.full(32, 1),
        "simd_any(v == 70)": np.full(32, 0),
        "simd_all(v < 33)": np.full(32, 1),
        "simd_all(v < 32)": np.full(32, 0),
        "popcount(uint(uint64_t(simd_ballot(v > 12))))": np.full(32, 20),
        "popcount(uint(uint64_t(simd_active_threads_mask())))": np.full(32, 32),
        "simd_is_first()": LANES == 0,
    }
    _assert_each(calls)


def _assert_each(calls: dict[str, np.ndarray]) -> None:
    """One kernel for all calls: lane l of call c is output c * 32 + l."""
    stores = "\n".join(f"y[{k * 32} + lane] = {call};" for k, call in enumerate(calls))
    case = Case(
        source=f"int v = lane + 1;\n{stores}",
        grid=32,
        threadgroup=32,
        n_outputs=32 * len(calls),
        dtype=mx.int32,
    )
    rows = np.array(case.output()).reshape(len(calls), 32)
    for row, (call, expected) in zip(rows, calls.items(), strict=True):
        assert row.tolist() == expected.astype(int).tolist(), call


def test_a_sum_of_truths_counts_them() -> None:
    assert one_simdgroup("y[i] = simd_sum(x[i] > 9);").tolist() == [22.0] * 32


def test_sums_of_narrow_integers_wrap_as_in_metal() -> None:
    assert one_simdgroup("y[i] = simd_sum(uchar(20));").tolist() == [640 % 256] * 32
    assert one_simdgroup("y[i] = simd_sum(short(2000));").tolist() == [64000 - 65536] * 32


@pytest.mark.parametrize(("metal", "dtype"), [("half", mx.float16), ("bfloat", mx.bfloat16)])
def test_sums_of_narrow_floats_are_rounded_in_their_type_at_each_step(
    metal: str, dtype: mx.Dtype
) -> None:
    values = (mx.arange(32) * 0.37).astype(dtype)
    expected = values
    for apart in (16, 8, 4, 2, 1):  # a tree, as the shim adds
        expected = expected[:apart] + expected[apart : 2 * apart]
    case = Case(
        source="y[i] = simd_sum(x[i]);", inputs=[values], grid=32, threadgroup=32, n_outputs=32
    )
    assert case.output().tolist() == [expected.astype(mx.float32).item()] * 32


def test_vectors_are_exchanged_whole() -> None:
    y = one_simdgroup("float4 v = simd_sum(float4(1, 2, 3, x[i]));\ny[i] = v.y + v.w;")
    assert y.tolist() == [64.0 + 31 * 16] * 32
    y = one_simdgroup("float2 v = simd_shuffle_xor(float2(x[i], -x[i]), 1);\ny[i] = v.y;")
    assert y.tolist() == (-(LANES ^ 1)).tolist()
    y = one_simdgroup("long v = simd_shuffle(long(x[i]) << 40, 3);\ny[i] = v >> 40;")
    assert y.tolist() == [3.0] * 32


def test_a_result_that_one_lane_reads_late_is_still_its_own() -> None:
    """Fast lanes are two calls ahead of slow ones and must not overwrite what these still read."""
    source = "float v = x[i];\nfor (int k = 0; k < 9; k++) v = simd_shuffle_xor(v, 1 << k % 5) + 1;"
    y = one_simdgroup(source + "\ny[i] = v;")
    assert y.tolist() == (9 + (LANES ^ 16)).tolist()
