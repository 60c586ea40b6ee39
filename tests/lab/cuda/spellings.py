"""One kernel that uses what the header knows: each value is a row of its output.

It is Metal, so the CPU runner says what each value is, and the twin has to agree.
"""

from __future__ import annotations

import mlx.core as mx

from mlxbench.lab.experiment import Launcher

THREADS = 64  # two SIMD groups in one threadgroup
HEADER = """
template <class T> inline T twice(T x) { return x + x; }
METAL_FUNC float first_of(const device float* p, thread float& kept) { kept = p[0]; return kept; }
constant constexpr float TABLE[2] = {1.0f, 7.0f};
constexpr constant int SIZE = 2;
inline float summed(const threadgroup float* p, uint n) {
  float sum = 0.0f;
  for (uint i = 0; i < n; i++) sum += p[i];
  return sum;
}
"""
SETUP = """
threadgroup float shared[64];
uint i = thread_position_in_grid.x;
uint lane = thread_index_in_simdgroup;
T v = x[i];
float f = static_cast<float>(v);
shared[i] = f;
threadgroup_barrier(mem_flags::mem_threadgroup);
simdgroup_barrier(mem_flags::mem_none);
float4 four = float4(f, 1.0f, 2.0f, f);
metal::float2 two = float2(f, 3.0f);
uint2 bits = uint2(i, 7u);
float sum = 1.0f;
sum += v;
sum *= v;
T narrow = v;
narrow += v;
"""
EACH = """
v + v; v - v; v * v; v / v; -v; v * f; f - v; v / 3.0f; 2.5f + v; v * 2; 3 - v; v < f; v > 0;
v >= v; v == v; v != 1.0f; 1 <= v; sum; narrow; twice(f); twice(v); half(f); bfloat(f);
float16_t(f) + half(f); static_cast<bfloat16_t>(f) * f; metal::exp(v); metal::exp(f); exp(f);
metal::fast::exp(f); metal::precise::exp(-f); metal::fast::fmax(f, 1.0f); sqrt(f); metal::log(f);
metal::rsqrt(f); metal::precise::rsqrt(v); metal::tanh(f); metal::sin(f); metal::cos(f);
metal::pow(f, 2.0f); metal::floor(-f); fabs(-f); metal::max(v, T(1)); metal::min(f, 1.0f);
max(f, 1.0f); min(i, 7u); metal::max(int(lane), 3); metal::abs(int(lane) - 9); metal::abs(-v);
clamp(f, 0.5f, 1.0f); metal::isnan(v); metal::isnan(NAN); metal::isinf(INFINITY);
metal::isfinite(f); metal::fma(f, f, 1.0f); metal::select(1.0f, f, lane > 3); metal::sign(-f);
as_type<uint>(f) >> 24; as_type<float>(0x3f800000u); M_PI_F; metal::popcount(i); four.x;
(four * 2.0f + four).w; metal::dot(four, four); (two / two).y; (bits & 3u).x; (bits << 1u).y;
float4(f).z; (1.0f - two).x; bits.y; simd_sum(f); simd_sum(lane); simd_max(f); simd_max(lane);
simd_min(f); simd_product(f); simd_or(lane); simd_and(lane | 4u); simd_xor(lane);
simd_shuffle(f, ushort(lane ^ 3u)); simd_shuffle(v, ushort(5)); simd_broadcast(f, 7);
simd_shuffle_xor(f, 1); simd_shuffle_down(f, 2); simd_shuffle_up(f, 2); simd_broadcast_first(i);
simd_prefix_inclusive_sum(lane); simd_any(lane == 3); simd_prefix_exclusive_sum(lane);
simd_all(lane == 3); simd_is_first(); shared[63 - i]; summed(shared, 64); TABLE[SIZE - 1]; n;
n + 1; x_shape[0]; x_ndim; x_strides[0]; N; FLAG ? f : 0.0f; sizeof(T); threads_per_grid.x;
threads_per_threadgroup.x; thread_position_in_threadgroup.x; threadgroup_position_in_grid.x;
threads_per_simdgroup; simdgroup_index_in_threadgroup; simdgroups_per_threadgroup;
thread_index_in_threadgroup
"""
VALUES = tuple(value.strip() for value in EACH.split(";"))
SOURCE = SETUP + "".join(
    f"y[{number} * 64 + i] = static_cast<float>({value});\n" for number, value in enumerate(VALUES)
)
INPUTS, OUTPUTS, SCALARS = ("x", "n"), ("y",), ("n",)


def run(kernel: Launcher, dtype: mx.Dtype) -> mx.array:
    """The values, [value, thread]; x is around 1 so that products stay in range."""
    x = (0.75 + mx.arange(THREADS) / 128.0).astype(dtype)
    (y,) = kernel(
        inputs=[x, mx.array(5, mx.int32)],
        template=[("T", dtype), ("N", 3), ("FLAG", True)],
        grid=(THREADS, 1, 1),
        threadgroup=(THREADS, 1, 1),
        output_shapes=[(len(VALUES), THREADS)],
        output_dtypes=[mx.float32],
    )
    return y
