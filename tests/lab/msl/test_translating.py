"""The changes to the text: few, on their own lines, and not fooled by what only looks alike."""

from __future__ import annotations

import pytest

from mlxbench.lab.msl.text import blank_comments, end_of_block, line_at
from mlxbench.lab.msl.translating import declare_threadgroup_variables


def reference(element: str, name: str, extents: str = "") -> str:
    return (
        f"threadgroup {element} (&{name}){extents} = "
        f'mslrt::variable<{element} {extents}>(__COUNTER__, "{name}");'
    )


@pytest.mark.parametrize(
    ("declaration", "references"),
    [
        ("threadgroup float buf[32];", [("float", "buf", "[32]")]),
        ("  threadgroup T q;", [("T", "q", "")]),
        (
            "threadgroup float4 a[2][N + 1], b;",
            [("float4", "a", "[2][N + 1]"), ("float4", "b", "")],
        ),
        ("x = 1; threadgroup metal::half2 p[K * SG];", [("metal::half2", "p", "[K * SG]")]),
        (
            "{threadgroup vec<float, 4> v[(D + 31) / 32];",
            [("vec<float, 4>", "v", "[(D + 31) / 32]")],
        ),
        ("threadgroup alignas(16) uchar bytes[64];", [("uchar", "bytes", "[64]")]),
        ("alignas(16) threadgroup uchar bytes[64];", [("uchar", "bytes", "[64]")]),
        ("threadgroup atomic_uint counts[16];", [("atomic_uint", "counts", "[16]")]),
    ],
)
def test_threadgroup_variables_become_references(
    declaration: str, references: list[tuple[str, str, str]]
) -> None:
    translated = declare_threadgroup_variables(declaration + " buf[0] = 1;")
    expected = " ".join(reference(*one) for one in references)
    assert translated.endswith(expected + " buf[0] = 1;")


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
    ],
)
def test_whatever_else_says_threadgroup_stays_as_it_is(text: str) -> None:
    assert declare_threadgroup_variables(text) == text


def test_lines_keep_their_numbers() -> None:
    text = "int a;\nthreadgroup float\n  buf[2]\n  [3];\nint b;\n"
    translated = declare_threadgroup_variables(text)
    assert translated.count("\n") == text.count("\n")
    assert line_at(translated, translated.index("int b")) == 5


def test_comments_and_strings_are_blanked_in_place() -> None:
    text = 'a; // b {\n/* c\n{ */ d("} \\" }"); e'
    assert blank_comments(text) == "a;       \n    \n     d(        ); e"
    assert len(blank_comments(text)) == len(text)


def test_the_end_of_a_block_is_that_of_its_own_brace() -> None:
    code = "f { a { b } c } d }"
    assert code[: end_of_block(code, 3)] == "f { a { b } c }"
    assert end_of_block("{ never closed", 1) == len("{ never closed")
