"""Whatever happens in a step, the next one is done, and what there is is kept."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench import registry, selftest
from mlxbench.errors import DoesNotFitError, InputError
from mlxbench.lab import discovery
from mlxbench.lab.creating import create
from mlxbench.selftest import Checked, Progress, SelfTest, running
from mlxbench.selftest.bench import FOLDER, Bench
from mlxbench.selftest.scale import QUICK
from mlxbench.selftest.steps import Planned, planned
from tests.selftest.samples import GOOD, a_bench, a_self_test


def outcome(tmp_path: Path, error: BaseException) -> list[Checked]:
    def step(_: Bench) -> Iterator[Checked]:
        yield GOOD
        raise error

    return running.checked(Planned("a step", step), a_bench(tmp_path))


class Unheard(Exception):
    """What no list of ours could name."""


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
        sqlite3.OperationalError("no"),
        Unheard("no"),
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


def test_what_cannot_be_written_as_utf_8_does_not_lose_the_file(tmp_path: Path) -> None:
    _, raised = outcome(tmp_path, RuntimeError("cannot open /x/\udce9t\udce9"))
    selftest.write(tmp_path / "file.json", a_self_test(raised))
    (read,) = selftest.read(tmp_path / "file.json").checks
    assert read.sentence == raised.sentence


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


def test_a_fault_between_the_steps_is_kept_as_one_and_goes_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXBENCH_HOME", str(tmp_path))
    kept: list[SelfTest] = []

    def broken_in_the_second(step: Progress) -> None:
        if step.number == 2:
            raise Unheard

    with pytest.raises(Unheard):
        running.run(QUICK, broken_in_the_second, kept.append)
    assert [(one.status, len(one.steps)) for one in kept][1:] == [("running", 1), ("failed", 1)]
    selftest.write(tmp_path / "file.json", kept[-1])
    assert selftest.read(tmp_path / "file.json").status == "failed"


def test_a_kernel_that_does_not_load_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("fine", tmp_path)
    (create("broken", tmp_path) / "experiment.py").write_text("1 / 0\n")
    monkeypatch.setattr(discovery, "builtin_folder", lambda: tmp_path)
    specs = registry.load(registry.builtin_file())
    shapes = {name: spec.shape for name, spec in specs.items() if spec.shape is not None}
    shared = replace(a_bench(tmp_path), shapes=shapes, _runners=(None, "no clang"))
    plan = [one for one in planned(shared) if one.title.startswith("kernel ")]
    assert [one.title for one in plan] == ["kernel broken", "kernel fine"]
    (broken,), (fine,) = (running.checked(one, shared) for one in plan)
    assert (broken.passed, broken.name) == (False, "ran to its end")
    assert "line 1: ZeroDivisionError" in broken.sentence
    assert fine.value == "not here"
