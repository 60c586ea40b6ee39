"""Whatever happens in a step, the next one is done, and what there is is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.errors import DoesNotFitError, InputError
from mlxbench.selftest import Checked, Progress, SelfTest, running
from mlxbench.selftest.bench import FOLDER, Bench
from mlxbench.selftest.scale import QUICK
from mlxbench.selftest.steps import Planned
from tests.selftest.samples import GOOD, a_bench


def outcome(tmp_path: Path, error: BaseException) -> list[Checked]:
    def step(_: Bench) -> Iterator[Checked]:
        yield GOOD
        raise error

    return running.checked(Planned("a step", step), a_bench(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[metal::malloc] no"),
        ValueError("no"),
        ZeroDivisionError("no"),
        AttributeError("no"),
        MemoryError("no"),
        OSError(28, "no"),
        InputError("no", "do something"),
        AssertionError("no"),
    ],
)
def test_a_step_that_raises_is_a_failed_check_beside_what_it_found(
    tmp_path: Path, error: Exception
) -> None:
    good, raised = outcome(tmp_path, error)
    assert good == GOOD
    assert (raised.topic, raised.name, raised.passed) == ("a step", "ran to its end", False)
    assert raised.sentence.startswith(type(error).__name__)
    assert "no" in raised.sentence


def test_what_an_error_says_loses_its_folders(tmp_path: Path) -> None:
    _, raised = outcome(tmp_path, RuntimeError(f"cannot open {Path.home()}/secret/weights"))
    assert raised.sentence == "RuntimeError: cannot open …/weights"


def test_where_an_error_came_from_is_told_by_our_own_files(tmp_path: Path) -> None:
    def step(_: Bench) -> Iterator[Checked]:
        running.checked(None, a_bench(tmp_path))  # type: ignore[arg-type]
        yield GOOD

    (raised,) = running.checked(Planned("a step", step), a_bench(tmp_path))
    assert "at mlxbench/selftest/running.py:" in raised.value


def test_a_step_that_does_not_fit_is_no_failure(tmp_path: Path) -> None:
    _, told = outcome(tmp_path, DoesNotFitError("9 GiB are needed and 8 GiB usable", "close"))
    assert (told.passed, told.sentence) == (None, "9 GiB are needed and 8 GiB usable")


def test_an_interrupt_is_no_fault_of_a_step(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        outcome(tmp_path, KeyboardInterrupt())


def test_figures_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    odd = replace(GOOD, figures={"a": math.nan, "b": math.inf, "c": 1.0})
    (found,) = running.checked(Planned("a step", lambda _: iter([odd])), a_bench(tmp_path))
    assert found.figures == {"c": 1.0}


def test_an_interrupt_keeps_what_there_is_and_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXBENCH_HOME", str(tmp_path))
    kept: list[SelfTest] = []

    def interrupted_in_the_second(step: Progress) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        running.run(QUICK, interrupted_in_the_second, kept.append)
    assert [(one.status, len(one.steps)) for one in kept] == [
        ("running", 0),
        ("running", 1),
        ("interrupted", 1),
    ]
    assert {one.topic for one in kept[-1].checks} == {"clock"}
    assert not list(tmp_path.rglob(FOLDER))
