"""Kernels on two backends: equal ones agree, and one that is off is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import registry
from mlxbench.lab import backends
from mlxbench.lab.backends import Backend
from mlxbench.lab.creating import create
from mlxbench.lab.device_checks import two_backends
from mlxbench.lab.discovery import Found, discover
from mlxbench.lab.experiment import Kernel, Launcher
from mlxbench.selftest import kernels, steps
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.scale import FULL, QUICK
from tests.selftest.samples import a_bench, answers, only

Change = Callable[[list[mx.array]], list[mx.array]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("kernels")
    create("sample", folder)
    return discover(folder)["sample"]


@pytest.fixture(scope="module")
def runner() -> Backend:
    found = two_backends.cpu_runner()
    assert isinstance(found, Backend)
    return found


def device(runner: Backend, change: Change = lambda outputs: outputs) -> Backend:
    """What passes for a GPU: the runner, with its outputs changed on their way."""

    def make(found: Found, kernel: Kernel, closely: bool) -> Launcher:
        launch: Any = runner.make(found, kernel, closely)
        return lambda *args, **kwargs: change(launch(*args, **kwargs))

    return Backend(backends.METAL, "metal (made up)", True, make)


def test_the_runner_alone_is_checked_and_there_is_nothing_to_compare(
    template: Found, runner: Backend
) -> None:
    found = list(kernels.check_kernel(template, runner, None, QUICK))
    assert answers(found) == {"check on msl-cpu": True, "two backends": None}
    assert only(found, "two backends").value == "one only"


def test_two_backends_that_agree_pass(template: Found, runner: Backend) -> None:
    found = kernels.check_kernel(template, device(runner), runner, QUICK)
    assert answers(found) == {
        "check on metal": True,
        "check on msl-cpu": True,
        "two backends": True,
    }


def test_a_device_that_computes_something_else_fails_twice(
    template: Found, runner: Backend
) -> None:
    off = device(runner, lambda outputs: [output * 1.05 for output in outputs])
    found = list(kernels.check_kernel(template, off, runner, QUICK))
    assert answers(found) == {
        "check on metal": False,
        "check on msl-cpu": True,
        "two backends": False,
    }
    assert "too far" in only(found, "two backends").sentence


def test_indices_in_another_order_are_told_apart(runner: Backend) -> None:
    topk = two_backends.narrowed(discover()["softmax_topk"], 1 << 16, ("float32",), 1)
    turned = device(runner, lambda outputs: [output[..., ::-1] for output in outputs])
    found = kernels.compared(topk, turned, runner, two_backends.compare(topk, turned, runner))
    assert found.passed is False
    assert "differ" in found.sentence


def test_comparing_nothing_is_no_pass(template: Found, runner: Backend) -> None:
    assert kernels.compared(template, runner, runner, []).passed is False
    assert kernels.verdict(template, runner, []).passed is False


def test_without_a_compiler_the_reason_is_told(template: Found) -> None:
    reason = f"no clang below {Path.home()}/tools; install one"
    found = kernels.missing_runner(template, reason)
    assert found.passed is None
    assert "no clang" in found.sentence
    assert str(Path.home()) not in found.sentence


def test_a_trick_in_plain_mlx_is_checked_on_the_device() -> None:
    plain = discover()["gate_up_concat"]
    found = list(kernels.check_kernel(plain, two_backends.PLAIN, None, QUICK))
    assert answers(found) == {"check": True}


def test_the_decode_shape_is_that_of_the_first_case_in_one_type() -> None:
    real = two_backends.at_decode_shape(discover()["moe_experts"], kernels.DECODE_TYPE).experiment
    assert [case.name for case in real.cases] == ["qwen3-30b-a3b"]
    assert (real.dtypes, real.edge_cases) == ((mx.bfloat16,), ())


def test_narrowed_cases_are_small_and_few() -> None:
    moe = discover()["moe_experts"]
    few = two_backends.narrowed(moe, FULL.case_bytes, ("float32",), 3).experiment
    assert len(few.cases) == 3
    assert few.dtypes == (mx.float32,)
    assert all(moe.experiment.bytes_moved(case, mx.float32) <= 1 << 20 for case in few.cases)


def step_of_a_kernel(folder: Path, runners: tuple[Backend | None, Backend | str]) -> list[Checked]:
    """The self-test's own step for `softmax_topk`, where just these backends are."""
    specs = registry.load(registry.builtin_file())
    shapes = {name: spec.shape for name, spec in specs.items() if spec.shape is not None}
    shared = replace(a_bench(folder), shapes=shapes, _runners=runners)
    (step,) = [one for one in steps.planned(shared) if one.title == "kernel softmax_topk"]
    return list(step.run(shared))


def test_without_gpu_and_compiler_nothing_is_claimed(tmp_path: Path) -> None:
    found = step_of_a_kernel(tmp_path, (None, "no clang"))
    assert answers(found) == {"check on msl-cpu": None}


def test_a_gpu_without_a_compiler_is_checked_alone(tmp_path: Path, runner: Backend) -> None:
    found = step_of_a_kernel(tmp_path, (device(runner), "no clang"))
    assert answers(found) == {"check on msl-cpu": None, "check on metal": True}


def test_a_gpu_and_a_compiler_are_compared(tmp_path: Path, runner: Backend) -> None:
    found = step_of_a_kernel(tmp_path, (device(runner), runner))
    assert answers(found) == {
        "check on metal": True,
        "check on msl-cpu": True,
        "two backends": True,
    }
