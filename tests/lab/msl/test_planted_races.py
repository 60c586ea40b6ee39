"""Races put into kernels on purpose, and orders that a GPU does not keep."""

from __future__ import annotations

import mlx.core as mx
import pytest

from mlxbench.lab.msl import Checks, Kind
from tests.lab.msl.cases import BARRIER, Case

# A sum over the threadgroup in which each call uses the same buffer; `END` may be a barrier.
BLOCK_SUM = """
inline float block_sum(float v, threadgroup float* buf, uint lane, uint sg) {
    v = simd_sum(v);
    if (lane == 0) {
        buf[sg] = v;
    }
    BEGIN
    v = simd_sum(lane < 2 ? buf[lane] : 0.0f);
    END
    return v;
}
"""
TWO_SUMS = (
    "threadgroup float buf[32];\n"
    "float a = block_sum(x[i], buf, lane, sg);\n"
    "y[i] = a + block_sum(x[i] * a, buf, lane, sg);"
)
WITHIN_A_SIMDGROUP = (
    "threadgroup float buf[32];\nbuf[lane] = x[i];\n{between}\ny[i] = buf[31 - lane];"
)
THROUGH_DEVICE = "y[i] = x[i];\n{between}\nfloat v = y[63 - t];\n{between}\ny[i] = v + 1;"


def block_sums(begin: str, end: str) -> Case:
    return Case(source=TWO_SUMS, header=BLOCK_SUM.replace("BEGIN", begin).replace("END", end))


def within_a_simdgroup(between: str) -> Case:
    source = WITHIN_A_SIMDGROUP.format(between=between)
    return Case(source=source, grid=32, threadgroup=32, n_inputs=32, n_outputs=32)


# The case, the kind, and the part and line of the access that comes second.
RACES: dict[str, tuple[Case, tuple[str, int]]] = {
    "a sum without a barrier": (block_sums("", BARRIER), ("header", 8)),
    "a buffer used again without a barrier": (block_sums(BARRIER, ""), ("header", 5)),
    "a barrier that names no memory": (
        block_sums("threadgroup_barrier(mem_flags::mem_none);", BARRIER),
        ("header", 8),
    ),
    "a barrier that names the other memory": (
        block_sums("threadgroup_barrier(mem_flags::mem_device);", BARRIER),
        ("header", 8),
    ),
    "a simdgroup barrier between SIMD groups": (
        block_sums("simdgroup_barrier(mem_flags::mem_threadgroup);", BARRIER),
        ("header", 8),
    ),
    "lanes that exchange without a barrier": (within_a_simdgroup(""), ("kernel", 4)),
    "a SIMD function in the place of a barrier": (
        within_a_simdgroup("simd_sum(1);"),
        ("kernel", 4),
    ),
    "read after write across SIMD groups through device memory": (
        Case(source=THROUGH_DEVICE.format(between=BARRIER)),
        ("kernel", 3),
    ),
    "write after read across SIMD groups through device memory": (
        Case(
            source="y[i] = x[i]; threadgroup_barrier(mem_flags::mem_device);\n"
            "float v = y[63 - t];\ny[i] = v + 1;"
        ),
        ("kernel", 3),
    ),
    "two threads write one output": (Case(source="y[i / 2] = i;", n_outputs=32), ("kernel", 1)),
    "two threads write one variable of the threadgroup": (
        Case(source=f"threadgroup int last;\nlast = t;\n{BARRIER} y[i] = last;"),
        ("kernel", 2),
    ),
    "the last thread writes another value": (
        Case(source="y[0] = i == 63;", n_outputs=1),
        ("kernel", 1),
    ),
    "two threadgroups write one output": (
        Case(source="y[t] = x[i];", grid=128, n_inputs=128),
        ("kernel", 1),
    ),
    "a threadgroup reads what another writes": (
        Case(
            source="if (i < 64) y[i] = x[i];\nelse y[i] = 2 * y[i - 64];",
            grid=128,
            n_inputs=128,
            n_outputs=128,
        ),
        ("kernel", 2),
    ),
    "bytes of one element by two threads": (
        Case(source="((device ushort*)y)[i] = 1; ((device ushort*)y)[i ^ 1] = 2;", n_outputs=32),
        ("kernel", 1),
    ),
    "an atomic and a plain access": (
        Case(
            source="atomic_fetch_add_explicit(&y[0], 1.0f, memory_order_relaxed);\n"
            "if (t == 63) ((device float*)y)[0] = 0;",
            atomic_outputs=True,
            init_value=0,
            n_outputs=1,
        ),
        ("kernel", 2),
    ),
    "one lane reads late, after the simdgroup barrier that others wait at": (
        within_a_simdgroup("float v = buf[lane ^ 1]; buf[lane] = v;"),
        ("kernel", 3),
    ),
}
NONE = {
    "a sum with both barriers": block_sums(BARRIER, BARRIER),
    "a barrier that names both memories": block_sums(
        "threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);", BARRIER
    ),
    # Nothing needs to be visible after the last read, so a mere execution barrier will do.
    "reads are over at a barrier that names no memory": block_sums(
        BARRIER, "threadgroup_barrier(mem_flags::mem_none);"
    ),
    "threads write the same value": Case(
        source=f"threadgroup int found;\nfound = 7;\n{BARRIER} y[i] = found; y[i / 2] = 7;"
    ),
    "threadgroups write the same value": Case(source="y[t] = 1;", grid=128),
    "lanes with a simdgroup barrier": within_a_simdgroup(
        "simdgroup_barrier(mem_flags::mem_threadgroup);"
    ),
    "device memory with a barrier for it": Case(
        source=THROUGH_DEVICE.format(between="threadgroup_barrier(mem_flags::mem_device);")
    ),
    "readers of one SIMD group, then a simdgroup barrier, then a writer": within_a_simdgroup(
        "simdgroup_barrier(mem_flags::mem_threadgroup);\nfloat v = buf[0] + buf[1];\n"
        "simdgroup_barrier(mem_flags::mem_threadgroup);\nbuf[lane] = v;\n"
        "simdgroup_barrier(mem_flags::mem_threadgroup);"
    ),
}


@pytest.mark.parametrize("name", RACES)
def test_a_race_is_found_in_a_single_order(name: str) -> None:
    case, second = RACES[name]
    races = [finding for finding in case.findings() if finding.kind is Kind.RACE]
    places = [(finding.place.part, finding.place.line) for finding in races if finding.place]
    assert second in places, [str(finding) for finding in case.findings()]
    assert case.findings()[0].kind is Kind.RACE


@pytest.mark.parametrize("name", NONE)
def test_what_a_barrier_orders_is_no_race(name: str) -> None:
    NONE[name].output()


def test_the_finding_names_both_threads_and_the_memory() -> None:
    (finding,) = RACES["two threads write one output"][0].findings()
    assert finding.thread == "thread 1 (SIMD group 0, lane 1) of threadgroup (0, 0, 0)"
    assert finding.message.startswith("writes element 0 of 'y', which thread 0 wrote,")


@pytest.mark.parametrize("orders", [(0, 1), (0, 2)])
def test_without_checks_a_race_shows_where_another_order_gives_another_result(
    orders: tuple[int, ...],
) -> None:
    checks = Checks(memory=False, orders=orders, house_rules=False)
    case = Case(source="y[i / 2] = i;", n_outputs=32, checks=checks)
    (finding,) = case.findings()
    assert finding.kind is Kind.ORDER_DEPENDENT
    assert "of output 'y' is" in finding.message


def test_slots_handed_out_by_an_atomic_counter_depend_on_the_order() -> None:
    case = Case(
        source="int at = atomic_fetch_add_explicit((device atomic<int>*)&y[0], 1, "
        "memory_order_relaxed);\ny[1 + at] = i;",
        dtype=mx.int32,
        init_value=0,
        n_outputs=65,
    )
    (finding,) = case.findings()
    assert finding.kind is Kind.ORDER_DEPENDENT


def test_float_sums_by_atomics_may_differ_in_their_last_bits() -> None:
    values = mx.random.normal((512,), key=mx.random.key(1))
    case = Case(
        source="atomic_fetch_add_explicit(&y[0], x[i], memory_order_relaxed);",
        inputs=[values],
        grid=512,
        atomic_outputs=True,
        init_value=0,
        n_outputs=1,
    )
    assert mx.allclose(case.output(), values.sum(keepdims=True), rtol=1e-4, atol=1e-4)
