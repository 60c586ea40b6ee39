"""Every fault here was put into a kernel on purpose, and must be found, as what it is."""

from __future__ import annotations

import mlx.core as mx
import pytest

from mlxbench.lab.msl import Checks, Kind
from tests.lab.msl.cases import BARRIER, Case

# What must be found: the kind, the line of the body (`None` where there is none), words of it.
Expected = tuple[Kind, int | None, str]

PLANTED: dict[str, tuple[Case, Expected]] = {
    "a load past the end": (
        Case(source="\ny[i] = x[i + 1];"),
        (Kind.OUT_OF_BOUNDS, 2, "element 64 of 'x', which has 64 elements"),
    ),
    "a store past the end": (
        Case(source="y[i] = 0; if (i == 9)\n y[i + 55] = 1;"),
        (Kind.OUT_OF_BOUNDS, 2, "element 64 of 'y'"),
    ),
    "a negative index": (
        Case(source="y[i] = x[int(i) - 1];"),
        (Kind.OUT_OF_BOUNDS, 1, "element -1 of 'x'"),
    ),
    "an index far beyond everything": (
        Case(source="y[i] = x[i * 1000000];"),
        (Kind.OUT_OF_BOUNDS, 1, "'x', which has 64 elements"),
    ),
    "off by one in the last, partial threadgroup": (
        Case(source="if (i <= 100) y[i] = x[i];", n_inputs=100, n_outputs=100, grid=128),
        (Kind.OUT_OF_BOUNDS, 1, "element 100"),
    ),
    "a vector load that crosses the end": (
        Case(
            source="y[i] = i < 63 ? 0 : (*(const device float4*)(x + 64)).w;",
            n_inputs=66,
        ),
        (Kind.OUT_OF_BOUNDS, 1, "element 67 of 'x'"),
    ),
    "an input without elements": (
        Case(source="y[i] = x[0];", inputs=[mx.zeros((0,))]),
        (Kind.OUT_OF_BOUNDS, 1, "which has 0 elements"),
    ),
    "beyond the shape of an input": (
        Case(source="y[i] = x_shape[i == 5 ? 1 : 0];"),
        (Kind.OUT_OF_BOUNDS, 1, "element 1 of 'x_shape'"),
    ),
    "a threadgroup array that is too small": (
        Case(
            source="threadgroup float buf[63];\nbuf[t] = x[i];\n" + BARRIER + "y[i] = buf[63 - t];"
        ),
        (Kind.ARRAY_BOUNDS, 2, "uses an index outside of its array"),
    ),
    "a pointer past a threadgroup array": (
        Case(
            source=f"threadgroup float buf[63], more[63];\nput(buf, t, x[i]);\n{BARRIER} y[i] = 0;",
            header="inline void put(threadgroup float* p, uint i, float v) {\n p[i] = v; }\n",
        ),
        (Kind.OUT_OF_BOUNDS, 2, "element 63 of threadgroup 'buf'"),
    ),
    "a register array out of bounds": (
        Case(source="float a[4] = {1, 2, 3, 4};\ny[i] = a[t];"),
        (Kind.ARRAY_BOUNDS, 2, "uses an index outside of its array"),
    ),
    "a misaligned vector": (
        Case(source="y[i] = (*(const device float4*)(x + 1)).x;"),
        (Kind.MISALIGNED, 1, "16 bytes of 'x' at byte 4"),
    ),
    "an output that is not all written": (
        Case(source="if (i != 60 && i != 61) y[i] = x[i];"),
        (Kind.UNWRITTEN_OUTPUT, None, "2 of 64 elements of output 'y'"),
    ),
    "half of each element written": (
        Case(source="((device ushort*)y)[2 * i] = 0;"),
        (Kind.UNWRITTEN_OUTPUT, None, "64 of 64"),
    ),
    "an input written through a cast": (
        Case(source="y[i] = 1;\n*(device float*)(x + i) = 0;"),
        (Kind.INPUT_WRITE, 2, "input 'x'"),
    ),
    "uninitialised threadgroup memory": (
        Case(source="threadgroup float buf[64];\ny[i] = buf[t];"),
        (Kind.UNINITIALISED, 2, "threadgroup 'buf'"),
    ),
    "threadgroup memory left by the previous threadgroup": (
        Case(
            source="threadgroup float buf[64];\n"
            f"if (threadgroup_position_in_grid.x == 0) buf[t] = x[i];\n{BARRIER}\ny[i] = buf[t];",
            n_inputs=128,
            n_outputs=128,
            grid=128,
        ),
        (Kind.UNINITIALISED, 4, "threadgroup 'buf'"),
    ),
    "an output read before it is written": (
        Case(source="y[i] += x[i];"),
        (Kind.UNINITIALISED, 1, "'y'"),
    ),
    "an atomic sum that starts nowhere": (
        Case(
            source="atomic_fetch_add_explicit(&y[0], x[i], memory_order_relaxed);",
            atomic_outputs=True,
            n_outputs=1,
        ),
        (Kind.UNINITIALISED, 1, "'y'"),
    ),
    "a register that was never set": (
        Case(source="float a; if (x[i] > 70) a = 1; y[i] = a;"),
        (Kind.UNINITIALISED, None, "output 'y'"),
    ),
    "a register array that was set in part": (
        Case(source="float a[4]; for (int k = 0; k < 3; k++) a[k] = x[i]; y[i] = a[t % 4];"),
        (Kind.UNINITIALISED, None, "output 'y'"),
    ),
    "a barrier that some threads never reach": (
        Case(source=f"y[i] = 0;\nif (t < 40) {{\n {BARRIER} }}"),
        (Kind.DIVERGENCE, 3, "has returned"),
    ),
    "a barrier that some lanes skip at first": (
        Case(source=f"y[i] = 0; if (t % 2) {{ {BARRIER} }}\n{BARRIER}"),
        (Kind.DIVERGENCE, 1, "but thread 0 is at threadgroup_barrier of line 2"),
    ),
    "SIMD groups at different barriers": (
        Case(source=f"y[i] = 0; if (sg == 0) {{\n{BARRIER} }} else {{\n{BARRIER} }}"),
        (Kind.DIVERGENCE, 3, "of line 2"),
    ),
    "a SIMD sum within a branch": (
        Case(source="float v = 0; if (lane < 20) v = simd_sum(x[i]);\ny[i] = simd_max(v);"),
        (Kind.DIVERGENCE, 2, "simd_sum of line 1"),
    ),
    "a loop with SIMD sums of unequal length": (
        Case(
            source="float v = 0; for (uint k = 0; k < lane; k++)\n v += simd_sum(x[i]);\n"
            "y[i] = simd_max(v);"
        ),
        (Kind.DIVERGENCE, 2, "simd_sum (wait 1), but thread 0 is at simd_max of line 3"),
    ),
    "a lane that is not there": (
        Case(
            source="y[i] = simd_shuffle_down(x[i], 16);",
            grid=50,
            threadgroup=50,
            n_inputs=50,
            n_outputs=50,
        ),
        (Kind.DIVERGENCE, 1, "reads lane 18 by simd_shuffle_down, which is not there"),
    ),
    "a lane that has returned": (
        Case(source="y[i] = 0; if (lane == 7) return;\ny[i] = simd_shuffle_xor(x[i], 1);"),
        (Kind.DIVERGENCE, 2, "reads lane 7"),
    ),
    "a division by zero": (
        Case(source="int n = x_shape[0] - 64;\ny[i] = 5 / n;"),
        (Kind.ARITHMETIC, 2, "divides an integer by zero"),
    ),
    "a shift by the width": (
        Case(source="y[i] = 1u << (t + 1);"),
        (Kind.ARITHMETIC, 1, "shifts by"),
    ),
    "more threadgroup memory than there is": (
        Case(source="threadgroup float buf[9000]; buf[t] = x[i]; y[i] = buf[t];"),
        (Kind.HOUSE_RULE, None, "36000 bytes; the rule is at most 32768"),
    ),
    "a null pointer": (
        Case(source="const device float* p = x_shape[0] == 64 ? nullptr : x;\ny[i] = *p;"),
        (Kind.CRASH, 2, "0x0"),
    ),
    "a trap": (
        Case(source="y[i] = 0;\nif (x[i] > 5) __builtin_trap();"),
        (Kind.CRASH, 2, "signal 4"),
    ),
    "recursion without end": (
        Case(
            source="y[i] = deep(x, i);",
            header="float deep(const device float* x, uint i) { volatile float here[64]; "
            "here[i] = x[i]; return x[i] < 0 ? 1 : deep(x, i) + here[i]; }\n",
        ),
        (Kind.CRASH, None, "stack of 256 KiB"),
    ),
    "an exit": (
        Case(source="y[i] = 0; exit(0);", header='extern "C" void exit(int);\n'),
        (Kind.CRASH, None, "left its process with status 0"),
    ),
    "an endless loop": (
        Case(
            source="volatile int forever = 1;\nwhile (forever) { }\ny[i] = 0;",
            checks=Checks(time_limit_s=0.3, house_rules=False),
        ),
        (Kind.TIMEOUT, 2, "still runs after 0.3 s"),
    ),
    "a lock that nobody gives back": (
        Case(
            source="while (atomic_exchange_explicit(&y[0], 1, memory_order_relaxed) == 1) { }",
            atomic_outputs=True,
            init_value=0,
            n_outputs=1,
            checks=Checks(time_limit_s=0.3, house_rules=False),
        ),
        (Kind.TIMEOUT, 1, "still runs"),
    ),
}
# The line of the body or header, or 0 where the compiler names none of them.
NOT_COMPILED: dict[str, tuple[Case, int, str]] = {
    "mixed address spaces": (
        Case(source="y[i] = 0;\nconstant float* c = x + 0;", n_inputs=64),
        2,
        "cannot initialize",
    ),
    "a device pointer where a thread's is wanted": (
        Case(
            source="y[i] = f(x);", header="inline float f(const thread float* p) { return *p; }\n"
        ),
        1,
        "no matching function",
    ),
    "an unknown function": (Case(source="\ny[i] = metal::rsqrtf(x[i]);"), 2, "rsqrtf"),
    "a store to an input": (Case(source="\n\nx[i] = 1;"), 3, "read-only"),
    "a store to a constant": (Case(source="x_shape[0] = 1; y[i] = 0;"), 1, "read-only"),
    "double": (Case(source="y[i] = 0;\ndouble d = 1;"), 2, "Metal has no `double`"),
    "an ambiguous call": (Case(source="y[i] = metal::max(x[i], 1);"), 1, "no matching function"),
    "atomics of a type that has none": (
        Case(source="y[i] = 0; device atomic<half>* p; p->value;"),
        1,
        "Metal has atomics of",
    ),
    "a SIMD sum of 64-bit integers": (
        Case(source="y[i] = simd_sum(long(x[i]));"),
        1,
        "Metal has no simd_sum of 64-bit",
    ),
    "matrices": (
        Case(source="y[i] = 0;\nsimdgroup_float8x8 m;"),
        2,
        "not supported by msl-cpu: simdgroup_float8x8",
    ),
    "textures": (
        Case(source="y[i] = 0;", header="\n\nvoid f(texture2d<float> t);\n"),
        3,
        "not supported by msl-cpu: texture2d",
    ),
    "function constants": (
        Case(source="y[i] = 0;", header="constant int n [[function_constant(0)]];\n"),
        1,
        "not supported by msl-cpu: function_constant",
    ),
    "a function without a body": (
        Case(source="y[i] = f(x[i]);", header="float f(float);\n"),
        0,
        "is declared, but nowhere defined",
    ),
    "a macro that swallows the kernel": (
        Case(source="y[i] = 0;", header="#define X 1"),
        0,
        "",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_as_what_it_is_and_where_it_is(name: str) -> None:
    case, (kind, line, words) = PLANTED[name]
    first = case.findings()[0]
    found_line = first.place.line if first.place else None
    assert (first.kind, found_line if line else line) == (kind, line), str(first)
    assert words in first.message


@pytest.mark.parametrize("name", NOT_COMPILED)
def test_what_metal_would_not_compile_does_not_compile_here(name: str) -> None:
    case, line, words = NOT_COMPILED[name]
    (finding,) = case.findings()
    assert finding.kind is Kind.COMPILE_ERROR
    assert words in finding.message, str(finding)
    if line:
        assert finding.place is not None
        assert finding.place.line == line
