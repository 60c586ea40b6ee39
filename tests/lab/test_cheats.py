"""Kernels that cheat, each in its own way, and are caught; an honest one passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import pytest

from mlxbench.lab import backends
from mlxbench.lab.backends import Backend
from mlxbench.lab.checking import check
from mlxbench.lab.creating import create
from mlxbench.lab.discovery import Found, discover
from mlxbench.lab.experiment import Case, Inputs, Launchers, Outputs

Run = Callable[[Launchers, Inputs, Case], Outputs]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("kernels")
    create("cheat", folder)
    return discover(folder)["cheat"]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return backends.choose(backends.MSL_CPU)


def cheating(honest: Found, run: Run) -> Found:
    return replace(honest, experiment=replace(honest.experiment, run=run))


def findings(found: Found, backend: Backend) -> list[str]:
    return [one.finding or "" for one in check(found, backend) if not one.passed]


def test_an_honest_kernel_passes(honest: Found, backend: Backend) -> None:
    results = list(check(honest, backend))
    assert len(results) == 8  # four cases, two types
    assert all(one.passed for one in results), results
    assert {one.backend for one in results} == {backend.verified_by}


def test_one_that_changes_its_input_is_caught(honest: Found, backend: Backend) -> None:
    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        outputs = honest.experiment.run(launchers, inputs, case)
        inputs["gate"][0] = 7.0
        return outputs

    assert "changed its input" in findings(cheating(honest, run), backend)[0]


def test_one_that_remembers_is_caught(honest: Found, backend: Backend) -> None:
    remembered: dict[tuple[str, mx.Dtype], Outputs] = {}

    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        key = (case.name, inputs["gate"].dtype)
        if key not in remembered:
            remembered[key] = honest.experiment.run(launchers, inputs, case)
        return remembered[key]

    assert "with other inputs" in findings(cheating(honest, run), backend)[0]


def test_one_that_returns_zeros_is_caught(honest: Found, backend: Backend) -> None:
    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        return (mx.zeros_like(inputs["gate"]),)

    assert "too far" in findings(cheating(honest, run), backend)[0]


def test_one_that_knows_a_single_shape_is_caught(honest: Found, backend: Backend) -> None:
    first = honest.experiment.cases[0].name

    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        if case.name == first:
            return honest.experiment.run(launchers, inputs, case)
        return (inputs["up"],)

    found = [one for one in check(cheating(honest, run), backend) if not one.passed]
    assert {one.case for one in found} >= {honest.experiment.cases[1].name}
    assert first not in {one.case for one in found}


def test_one_that_leaves_the_work_for_later_is_caught(honest: Found, backend: Backend) -> None:
    class Later:
        """Pretends to be done, and would compute when somebody looks."""

    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        return cast(Outputs, (Later(),))

    assert "is a Later, not an array" in findings(cheating(honest, run), backend)[0]


def test_one_that_returns_another_type_is_caught(honest: Found, backend: Backend) -> None:
    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        (y,) = honest.experiment.run(launchers, inputs, case)
        return (y.astype(mx.float16),)

    assert "float16" in findings(cheating(honest, run), backend)[0]


def test_one_that_gives_another_result_each_time_is_caught(honest: Found, backend: Backend) -> None:
    seen: Counter[tuple[str, mx.Dtype]] = Counter()

    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        key = (case.name, inputs["gate"].dtype)
        seen[key] += 1
        (y,) = honest.experiment.run(launchers, inputs, case)
        nudged = y * (1 + 1.2e-7) if seen[key] == 3 else y  # one bit, of one element
        return (mx.where(mx.arange(y.size) == 0, nudged, y),)

    assert "another result each time" in findings(cheating(honest, run), backend)


def test_one_that_raises_is_a_failed_check(honest: Found, backend: Backend) -> None:
    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        raise ValueError("shapes do not match\nand more")

    assert findings(cheating(honest, run), backend)[0] == "shapes do not match"


def test_a_missing_output_is_a_failed_check(honest: Found, backend: Backend) -> None:
    def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
        return ()

    assert "1 outputs are wanted: y" in findings(cheating(honest, run), backend)[0]


@pytest.mark.parametrize(
    ("right", "broken"),
    [
        ("1.0f + ", "1.0f - "),
        ("i < N", "i < N + 1"),
        ("uint i = ", "uint i = 1 + "),
        ("exp", "epx"),
    ],
)
def test_one_character_broken_fails_the_check(
    honest: Found, backend: Backend, tmp_path: Path, right: str, broken: str
) -> None:
    place = create("cheat", tmp_path)
    source = place / "kernel.metal"
    text: Any = source.read_text()
    assert right in text
    source.write_text(text.replace(right, broken))
    assert findings(discover(tmp_path)["cheat"], backend)
