"""The changes to the text: few, on their own lines, and not fooled by what only looks alike."""

from __future__ import annotations

import pytest

from mlxbench.errors import InputError
from mlxbench.lab.cuda import Twin, twin
from mlxbench.lab.cuda.twin import PRELUDE, mark_functions, share_variables
from mlxbench.lab.discovery import discover
from mlxbench.lab.msl.text import line_at


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("threadgroup float buf[32];", "__shared__ float buf[32];"),
        ("  threadgroup T q;", "  __shared__ T q;"),
        ("threadgroup float4 a[2][N + 1], b;", "__shared__ float4 a[2][N + 1], b;"),
        ("x = 1; threadgroup metal::half2 p[K];", "x = 1; __shared__ metal::half2 p[K];"),
        ("{threadgroup vec<float, 4> v[4];", "{__shared__ vec<float, 4> v[4];"),
        ("threadgroup alignas(16) uchar b[64];", "__shared__ alignas(16) uchar b[64];"),
        ("alignas(16) threadgroup uchar b[64];", "alignas(16) __shared__ uchar b[64];"),
        ("threadgroup float a[1]; threadgroup int b;", "__shared__ float a[1]; __shared__ int b;"),
        ("threadgroup int a; threadgroup int b;", "__shared__ int a; __shared__ int b;"),
    ],
)
def test_variables_in_threadgroup_memory_are_shared(text: str, shared: str) -> None:
    assert share_variables(text) == shared


@pytest.mark.parametrize(
    "text",
    [
        "threadgroup float* p = buf;",
        "inline float f(float v,\n    threadgroup float* buf, uint lane) {",
        "// threadgroup float buf[32];",
        "/* ;\nthreadgroup float buf[32];\n*/",
        "threadgroup_barrier(mem_flags::mem_threadgroup);",
        "using P = threadgroup float*;",
        "const threadgroup T& first = buf[0];",
        "uint threadgroup_size = 32;",
    ],
)
def test_whatever_else_says_threadgroup_stays_as_it_is(text: str) -> None:
    assert share_variables(text) == text


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("inline float f() {", "__device__ inline float f() {"),
        ("template <class T> inline T f(T x)", "template <class T> __device__ inline T f(T x)"),
        ("static inline int f()", "static __device__ inline int f()"),
        ("METAL_FUNC float f() {", "METAL_FUNC float f() {"),
        ("// inline helpers\n", "// inline helpers\n"),
        ("inline namespace one {", "inline namespace one {"),
        ("__device__ inline int f()", "__device__ inline int f()"),
        ("int inlined = 1;", "int inlined = 1;"),
    ],
)
def test_helpers_become_functions_of_the_device(text: str, marked: str) -> None:
    assert mark_functions(text) == marked


def test_places_are_made_where_they_are_mentioned_only() -> None:
    made = twin(
        "// threadgroup_position_in_grid\ny[thread_position_in_grid.x] = 1;", "", ["x"], []
    ).source
    assert made.count("const auto ") == 1
    assert made.startswith("const auto thread_position_in_grid = uint3{blockIdx.x * blockDim.x")


def test_a_place_that_is_part_of_another_name_is_not_made() -> None:
    made = twin("uint dispatch_threads_per_threadgroup2 = 1;", "", ["x"], []).source
    assert made.startswith("#line 1")


def test_an_input_may_have_the_name_of_a_place() -> None:
    assert twin("y[0] = grid_size[0];", "", ["grid_size"], []).source.startswith("#line 1")


def test_inputs_without_dimensions_are_passed_under_another_name() -> None:
    made = twin("y[0] = x[0] * n;", "", ["x", "n", "m"], ["n", "m"])
    assert made.inputs == ("x", "n_address", "m_address")
    assert "const auto& n = *n_address;\nconst auto& m = *m_address;\n" in made.source
    assert "*x_address" not in made.source


def test_a_scalar_that_is_no_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"no input 'k' \(it has x, n\)"):
        twin("y[0] = x[0];", "", ["x", "n"], ["k"])


def test_lines_are_those_of_the_writer() -> None:
    source = "uint i = thread_position_in_grid.x;\nthreadgroup float s[1];\ny[i] = n;"
    made = twin(source, "\ninline float f() { return 1; }", ["n"], ["n"])
    for text, first, mark in (
        (made.source, '#line 1 "kernel"\n', "y[i]"),
        (made.header, '#line 1 "header"\n', "float f()"),
    ):
        part = text.partition(first)[2]
        assert line_at(part, part.index(mark)) == {"y[i]": 3, "float f()": 2}[mark]


def test_a_twin_is_made_of_the_two_texts_and_the_prelude() -> None:
    made = twin("y[0] = x[0];", "int a;", ["x"], [])
    assert made == Twin(
        source='#line 1 "kernel"\ny[0] = x[0];',
        header=f'#line 1 "prelude.h"\n{PRELUDE.read_text()}#line 1 "header"\nint a;\n',
        inputs=("x",),
    )


def test_all_threadgroup_variables_of_our_kernels_are_shared() -> None:
    counts = []
    for found in discover().values():
        for kernel in found.experiment.kernels:
            source = found.source(kernel)
            made = twin(source, found.header(kernel), kernel.inputs, kernel.scalars)
            counts.append((made.source.count("__shared__"), source.count("threadgroup float")))
    assert all(shared == declared for shared, declared in counts)
    assert sum(declared for _, declared in counts) > 0


@pytest.mark.parametrize("word", ["device", "constant", "thread", "threadgroup"])
def test_address_spaces_are_nothing(word: str) -> None:
    assert f"\n#define {word}\n" in PRELUDE.read_text()
