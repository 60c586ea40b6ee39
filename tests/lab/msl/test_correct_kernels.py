"""Kernels that are right: every check on, every order, and not one finding."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.lab.msl import KernelSource, Launch, run
from mlxbench.lab.msl.source import Size
from tests.lab.msl.cases import BARRIER, Case


def normal(*shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(sum(shape)))


def launched(
    body: str, x: mx.array, out: tuple[int, ...], grid: Size, threadgroup: Size, header: str = ""
) -> mx.array:
    kernel = KernelSource(
        name="right", input_names=["x"], output_names=["y"], source=body, header=header
    )
    launch = Launch(
        grid=grid, threadgroup=threadgroup, output_shapes=[out], output_dtypes=[x.dtype]
    )
    return run(kernel, [x], launch)[0]


@pytest.mark.parametrize("threads", [32, 256, 1024])
def test_a_reduction_through_threadgroup_memory(threads: int) -> None:
    case = Case(
        source=f"""
        threadgroup float part[32];
        float sum = simd_sum(x[i]);
        if (lane == 0) part[sg] = sum;
        {BARRIER}
        if (sg == 0) {{
            sum = simd_sum(lane < simdgroups_per_threadgroup ? part[lane] : 0.0f);
            if (lane == 0) y[0] = sum;
        }}""",
        n_inputs=threads,
        n_outputs=1,
        grid=threads,
        threadgroup=threads,
    )
    assert case.output().item() == threads * (threads - 1) / 2


def test_a_tree_in_threadgroup_memory() -> None:
    case = Case(
        source=f"""
        threadgroup float tree[64];
        tree[t] = x[i];
        for (uint half_way = 32; half_way > 0; half_way /= 2) {{
            {BARRIER}
            if (t < half_way) tree[t] += tree[t + half_way];
        }}
        if (t == 0) y[0] = tree[0];""",
        n_outputs=1,
    )
    assert case.output().item() == 64 * 63 / 2


def test_an_inclusive_scan_over_a_threadgroup() -> None:
    case = Case(
        source=f"""
        threadgroup float sums[2][64];
        sums[0][t] = x[i];
        int from = 0;
        for (uint step = 1; step < 64; step *= 2, from = 1 - from) {{
            {BARRIER}
            sums[1 - from][t] = sums[from][t] + (t >= step ? sums[from][t - step] : 0.0f);
        }}
        {BARRIER}
        y[i] = sums[from][t];"""
    )
    assert np.array_equal(np.array(case.output()), np.cumsum(np.arange(64)))


def test_a_scan_of_simd_prefix_sums() -> None:
    case = Case(
        source=f"""
        threadgroup float totals[32];
        float own = simd_prefix_inclusive_sum(x[i]);
        if (lane == 31) totals[sg] = own;
        {BARRIER}
        float before = 0;
        for (uint k = 0; k < sg; k++) before += totals[k];
        y[i] = before + own;""",
        n_inputs=256,
        n_outputs=256,
        grid=256,
        threadgroup=256,
    )
    assert np.array_equal(np.array(case.output()), np.cumsum(np.arange(256)))


@pytest.mark.parametrize("shape", [(64, 32), (40, 33)])
def test_a_transpose_in_tiles(shape: tuple[int, int]) -> None:
    rows, columns = shape
    x = normal(rows, columns)
    body = """
        threadgroup float tile[16][17];
        uint2 from = uint2(thread_position_in_grid.xy), in = thread_position_in_threadgroup.xy;
        uint rows = x_shape[0], columns = x_shape[1];
        if (from.x < columns && from.y < rows) tile[in.y][in.x] = x[from.y * columns + from.x];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        uint2 to = threadgroup_position_in_grid.yx * 16 + in;
        if (to.x < rows && to.y < columns) y[to.y * rows + to.x] = tile[in.x][in.y];
    """
    grid = (-(-columns // 16) * 16, -(-rows // 16) * 16, 1)
    y = launched(body, x, (columns, rows), grid, (16, 16, 1))
    assert mx.array_equal(y, x.T)


def test_a_histogram_by_atomics_in_both_memories() -> None:
    values = mx.random.randint(0, 16, (1024,), mx.int32, key=mx.random.key(3))
    case = Case(
        source=f"""
        threadgroup atomic_uint counts[16];
        if (t < 16) atomic_store_explicit(&counts[t], 0, memory_order_relaxed);
        {BARRIER}
        atomic_fetch_add_explicit(&counts[x[i]], 1, memory_order_relaxed);
        {BARRIER}
        if (t < 16)
            atomic_fetch_add_explicit(
                &y[t], atomic_load_explicit(&counts[t], memory_order_relaxed),
                memory_order_relaxed);""",
        inputs=[values],
        n_outputs=16,
        grid=1024,
        threadgroup=256,
        dtype=mx.uint32,
        atomic_outputs=True,
        init_value=0,
    )
    assert case.output().tolist() == np.bincount(np.array(values), minlength=16).tolist()


def test_the_largest_by_compare_and_exchange() -> None:
    case = Case(
        source="""
        int seen = atomic_load_explicit(&y[0], memory_order_relaxed);
        int mine = int(x[i]) ^ 21;
        while (seen < mine && !atomic_compare_exchange_weak_explicit(
            &y[0], &seen, mine, memory_order_relaxed, memory_order_relaxed)) { }""",
        n_outputs=1,
        dtype=mx.int32,
        atomic_outputs=True,
        init_value=-1,
    )
    assert case.output().item() == 63


def test_partial_threadgroups_and_simd_groups() -> None:
    case = Case(
        source=f"""
        threadgroup uint sizes[2];
        uint here = simd_sum(1u);
        if (lane == 0) sizes[sg] = here;
        {BARRIER}
        y[i] = 100 * threads_per_threadgroup.x + sizes[sg] + 0.5f * simdgroups_per_threadgroup;""",
        n_inputs=100,
        n_outputs=100,
        grid=100,
        threadgroup=50,
    )
    assert case.output().tolist() == ([5033.0] * 32 + [5019.0] * 18) * 2


def test_threads_that_return_early_take_no_part() -> None:
    case = Case(source="if (i >= 40) return;\ny[i] = simd_sum(1.0f);", n_outputs=40)
    assert case.output().tolist() == [32.0] * 32 + [8.0] * 8


def test_grids_in_three_dimensions() -> None:
    body = """
        uint3 p = thread_position_in_grid, n = threads_per_grid;
        y[(p.z * n.y + p.y) * n.x + p.x] = p.x + 100 * p.y + 10000 * p.z;
    """
    y = launched(body, normal(1), (4, 6, 8), (8, 6, 4), (8, 2, 2))
    z, row, x = np.meshgrid(range(4), range(6), range(8), indexing="ij")
    assert np.array_equal(np.array(y), x + 100 * row + 10000 * z)


def test_strided_inputs_are_not_copied_when_the_kernel_reads_strides() -> None:
    kernel = KernelSource(
        name="strided",
        input_names=["x"],
        output_names=["y"],
        source="uint i = thread_position_in_grid.x;\n"
        "y[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)] + x_strides[0];",
        ensure_row_contiguous=False,
    )
    base = mx.arange(96).reshape(8, 12)
    for x, step in ((base.T, 1), (base[::2, 1:9], 24), (mx.broadcast_to(base[:, :1], (8, 4)), 12)):
        launch = Launch(
            grid=(32, 1, 1), threadgroup=(32, 1, 1), output_shapes=[(32,)], output_dtypes=[x.dtype]
        )
        (y,) = run(kernel, [x], launch)
        assert y.tolist() == (x.reshape(-1)[:32] + step).tolist()


def test_bytes_of_a_word_may_be_written_by_different_threads() -> None:
    case = Case(source="((device uchar*)y)[i] = 1;", n_outputs=16, dtype=mx.uint32)
    assert case.output().tolist() == [0x01010101] * 16


def test_words_are_put_together_from_bytes_at_any_address() -> None:
    case = Case(
        source="const device uchar* b = (const device uchar*)x + i;\n"
        "y[i] = b[1] | b[2] << 8 | b[3] << 16 | uint(b[4]) << 24;",
        inputs=[mx.arange(80).astype(mx.uint8)],
        dtype=mx.uint32,
    )
    assert case.output()[1].item() == 0x05040302


def test_vectors_of_every_width() -> None:
    case = Case(
        source="""
        float4 v = ((const device float4*)x)[t / 4];
        half4 h = half4(v.wzyx);
        float2 pair = float2(h.xy) + float2(1.0f);
        uchar4 bytes = as_type<uchar4>(0x04030201u);
        float3 three = float3(pair, 2);
        y[i] = dot(v, float4(1, 2, 3, 4)) + three.y + bytes.z + metal::max(v, float4(7.0f)).x
             + any(v > 60) + metal::select(v, float4(h), v > 60).x;""",
        n_inputs=64,
    )
    x = np.arange(64, dtype=np.float32).reshape(16, 4)
    big = (x > 60).any(1)
    chosen = np.where(x[:, 0] > 60, x[:, 3], x[:, 0])
    expected = x @ [1, 2, 3, 4] + x[:, 2] + 1 + 3 + np.maximum(x[:, 0], 7) + big + chosen
    assert case.output().tolist() == expected.repeat(4).tolist()


def test_tables_and_structures_and_templates_in_a_header() -> None:
    case = Case(
        source="Pair p = {x[i], 2.0};\ny[i] = total<int, 3>(p) + TABLE[t % 4];",
        header="""
        #include <metal_stdlib>
        using namespace metal;
        constant float TABLE[4] = {0.5, 1.5, 2.5, 3.5};
        constant constexpr int TWICE = 2;
        struct Pair { float a, b; };
        template <typename T, int N> METAL_FUNC T total(const thread Pair& p) {
            return T(p.a + p.b) * N * TWICE;
        }
        """,
    )
    i = np.arange(64)
    assert case.output().tolist() == ((i + 2) * 6 + i % 4 + 0.5).tolist()


def test_literals_without_a_suffix_are_floats_not_doubles() -> None:
    case = Case(source="y[i] = x[i] * 0.1 + 1.0h;")
    expected = np.arange(64, dtype=np.float32) * np.float32(0.1) + np.float32(1)
    assert case.output().tolist() == expected.tolist()


def test_small_inputs_and_numbers_lie_in_constant_memory() -> None:
    case = Case(
        source="constant float* few = x2;\nconstant int& n = x3;\ny[i] = x[i] + few[1] * n;",
        inputs=[mx.arange(64).astype(mx.float32), mx.array([1.0, 2.0]), 10],
    )
    assert case.output().tolist() == [20.0 + i for i in range(64)]


def test_a_kernel_without_a_template_and_one_with_every_kind_of_argument() -> None:
    case = Case(
        source="T v = T(x[i]);\ny[i] = FLAG ? float(v) + N : 0;",
        template=[("T", mx.bfloat16), ("FLAG", True), ("N", -3)],
    )
    assert case.output()[5].item() == 2.0


def test_every_attribute_of_a_thread() -> None:
    names = [
        "thread_position_in_grid.x",
        "thread_position_in_threadgroup.x",
        "threadgroup_position_in_grid.x",
        "threads_per_threadgroup.x",
        "dispatch_threads_per_threadgroup.x",
        "threads_per_grid.x",
        "grid_size.x",
        "grid_origin.x",
        "threadgroups_per_grid.x",
        "thread_index_in_threadgroup",
        "thread_index_in_simdgroup",
        "simdgroup_index_in_threadgroup",
        "simdgroups_per_threadgroup",
        "dispatch_simdgroups_per_threadgroup",
        "threads_per_simdgroup",
        "thread_execution_width",
    ]
    stores = " ".join(f"y[{k}] = {name};" for k, name in enumerate(names))
    case = Case(
        source=f"if (i == 97) {{ {stores} }}",
        grid=100,
        threadgroup=64,
        dtype=mx.uint32,
        n_outputs=len(names),
    )
    expected = [97, 33, 1, 36, 64, 100, 100, 0, 2, 33, 1, 1, 2, 2, 32, 32]
    assert case.output().tolist() == expected


def test_an_array_with_negative_strides_is_copied() -> None:
    kernel = KernelSource(
        name="backwards",
        input_names=["x"],
        output_names=["y"],
        source="uint i = thread_position_in_grid.x; y[i] = x[i * x_strides[0]];",
        ensure_row_contiguous=False,
    )
    x = mx.arange(32)[::-1]
    launch = Launch(
        grid=(32, 1, 1), threadgroup=(32, 1, 1), output_shapes=[(32,)], output_dtypes=[x.dtype]
    )
    assert run(kernel, [x], launch)[0].tolist() == list(range(31, -1, -1))
