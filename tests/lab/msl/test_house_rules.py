"""What can be said against a kernel before it runs."""

from __future__ import annotations

import mlx.core as mx
import pytest

from mlxbench.lab.msl import Checks, KernelSource, Kind, Launch, examine, house_rules
from mlxbench.lab.msl.source import Size


def launch(grid: Size, threadgroup: Size) -> Launch:
    return Launch(
        grid=grid, threadgroup=threadgroup, output_shapes=[(64,)], output_dtypes=[mx.float32]
    )


def kernel(source: str = "", header: str = "") -> KernelSource:
    return KernelSource(
        name="k", input_names=["x"], output_names=["y"], source=source, header=header
    )


@pytest.mark.parametrize(
    ("grid", "threadgroup", "words"),
    [
        ((64, 1, 1), (64, 32, 1), "2048 threads; the rule is at most 1024"),
        ((64, 0, 1), (32, 1, 1), "the grid is (64, 0, 1); the rule is three numbers"),
        ((64, 1, 1), (32, 1, -1), "the threadgroup is"),
        ((1 << 31, 2, 1), (32, 1, 1), "4294967296 threads"),
    ],
)
def test_no_launch_beyond_the_limits_of_metal(grid: Size, threadgroup: Size, words: str) -> None:
    found = house_rules.limits(launch(grid, threadgroup))
    assert [finding.kind for finding in found] == [Kind.HOUSE_RULE]
    outcome = examine(kernel("y[0] = 0;"), [mx.zeros(64)], launch(grid, threadgroup))
    assert outcome.findings == found
    assert outcome.outputs is None
    assert words in found[0].message


def test_no_more_buffers_than_metal_has_places_for() -> None:
    names = [f"x{k}" for k in range(11)]
    source = "".join(f"y[{k}] = {name}_shape[0] + {name}_ndim;" for k, name in enumerate(names))
    wide = KernelSource(name="k", input_names=names, output_names=["y"], source=source)
    (finding,) = examine(wide, [mx.ones(9)] * 11, launch((32, 1, 1), (32, 1, 1))).findings
    assert str(finding) == "house-rule: the kernel has 34 buffers; the rule is at most 31"


@pytest.mark.parametrize(
    ("grid", "threadgroup", "messages"),
    [
        ((128, 3, 1), (64, 1, 1), []),
        ((32, 4, 1), (8, 4, 1), []),
        (
            (100, 1, 1),
            (64, 1, 1),
            ["the grid has 100 threads in x; the rule is a multiple of the threadgroup, "
             "which has 64"],
        ),
        ((90, 1, 1), (30, 1, 1), ["a threadgroup has 30 threads; the rule is a multiple of 32"]),
    ],
)  # fmt: skip
def test_grids_and_threadgroups_have_no_partial_parts(
    grid: Size, threadgroup: Size, messages: list[str]
) -> None:
    found = house_rules.of_launch(launch(grid, threadgroup))
    assert [finding.message for finding in found] == messages


def test_a_rule_of_ours_does_not_stop_a_kernel_that_is_right() -> None:
    source = "uint i = thread_position_in_grid.x; if (i < 64) y[i] = x[i];"
    outcome = examine(kernel(source), [mx.ones(64)], launch((100, 1, 1), (50, 1, 1)))
    assert [finding.kind for finding in outcome.findings] == [Kind.HOUSE_RULE] * 1
    assert outcome.outputs is not None
    lenient = Checks(house_rules=False)
    assert not examine(
        kernel(source), [mx.ones(64)], launch((100, 1, 1), (50, 1, 1)), lenient
    ).findings


def test_double_is_found_at_its_line_but_not_in_comments_or_names() -> None:
    (finding,) = house_rules.of_source(kernel("int a;\ndouble b;", "// double\nint double_it;"))
    assert str(finding) == (
        "house-rule at kernel line 2: uses `double`; the rule is float or narrower"
    )


RECURSIVE = {
    "itself": "int f(int n) { return n ? f(n - 1) : 0; }",
    "through another": "int g(int n);\nint f(int n) { return g(n); }\n"
    "int g(int n) { return f(n); }",
    "a template": "template <int N> int f(int n) {\n  return f<N>(n - 1);\n}",
}


@pytest.mark.parametrize("name", RECURSIVE)
def test_recursion_is_found(name: str) -> None:
    messages = [finding.message for finding in house_rules.of_source(kernel("", RECURSIVE[name]))]
    assert "function 'f' calls itself; the rule is no recursion" in messages


@pytest.mark.parametrize(
    "header",
    [
        "int f(int n) { return n; }\nint g(int n) { return f(f(n)); }",
        "int f(int n) { for (int i = 0; i < n; i++) { if (i) { return 1; } } return 0; }",
        "struct S { int f(int n) { return n; } };\nint f(S s) { return s.f(1); }",
        "int f(int n) { return n; }  // f(f(n)) in words",
    ],
)
def test_calls_of_other_functions_are_no_recursion(header: str) -> None:
    assert house_rules.of_source(kernel("", header)) == ()
