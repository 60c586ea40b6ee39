from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.doctor.machine import Machine
from mlxbench.doctor.software import (
    TESTED,
    VersionRange,
    backend,
    numbers,
    software,
    variables,
    version,
)
from mlxbench.errors import InputError
from tests.doctor.machines import IDLE_LINUX, IDLE_MAC, by_topic, nvidia, statuses

ROOT = Path(__file__).parents[2]
NO_CLANG = InputError("no clang was found", "install clang")


def changed(machine: Machine, **facts: object) -> Machine:
    """The machine with another environment."""
    return replace(machine, environment=replace(machine.environment, **facts))  # type: ignore[arg-type]


def test_what_was_tested_is_what_the_project_requires_and_pins() -> None:
    required = " ".join(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    )
    pinned = (ROOT / "constraints.txt").read_text()

    for package, tested in TESTED.items():
        assert re.search(rf"(?<![\w-]){package}>={re.escape(tested.oldest)}(?![\w.])", required)
        assert f"\n{package}=={tested.newest}\n" in f"\n{pinned}"


@pytest.mark.parametrize(
    ("installed", "status", "said"),
    [
        (None, "problem", "not installed"),
        ("0.31.9", "problem", "older than 0.32.2"),
        ("0.32.2", "ok", "0.32.2"),
        ("0.32.40.dev1+abc", "ok", "0.32.40"),
        ("0.33.0", "warning", "newer than 0.32.4"),
        ("1.0", "warning", "newer"),
        ("nonsense", "problem", "older"),
    ],
)
def test_a_version_is_judged_by_what_was_tested(
    installed: str | None, status: str, said: str
) -> None:
    found = version("mlx", installed, VersionRange("0.32.2", "0.32.4"), "linux")

    assert found.status == status
    assert said in found.value
    assert bool(found.advice) == (status != "ok")


def test_versions_compare_as_numbers() -> None:
    assert numbers("0.32.10") > numbers("0.32.9")
    assert numbers("0.32.4rc1") == (0, 32, 4)
    assert numbers("v1") == ()


def test_all_is_well_with_tested_software_on_metal() -> None:
    found = statuses(software(IDLE_MAC, "clang 19"))

    assert set(found) == {"python", "mlx", "mlx-lm", "backend", "variables", "clang"}
    assert set(found.values()) == {"ok"}


def test_an_intel_python_on_apple_silicon_is_a_problem() -> None:
    for cpu in ("VirtualApple @ 2.50GHz processor", "Apple M3 Ultra"):
        translated = replace(changed(IDLE_MAC, cpu=cpu), interpreter="x86_64")
        found = by_topic(software(translated, None))["python"]
        assert found.status == "problem"
        assert "Rosetta" in found.value
        assert "arm64" in found.advice
    intel = replace(changed(IDLE_MAC, cpu="Intel(R) Xeon(R) W-3245"), interpreter="x86_64")
    assert statuses(software(intel, None))["python"] == "ok"


def test_a_device_that_cannot_be_opened_is_a_problem() -> None:
    assert backend(changed(IDLE_LINUX, accelerator_backend=None)).status == "problem"


def test_a_cpu_backend_is_fine_unless_the_machine_has_better() -> None:
    assert backend(IDLE_LINUX).status == "ok"
    beside_a_gpu = backend(replace(IDLE_LINUX, gpu=nvidia()))
    assert beside_a_gpu.status == "warning"
    assert "NVIDIA H100" in beside_a_gpu.value
    assert "cuda" in beside_a_gpu.advice
    assert backend(changed(IDLE_MAC, accelerator_backend="cpu")).status == "warning"
    assert backend(changed(IDLE_LINUX, accelerator_backend="cuda")).status == "ok"


def test_variables_that_change_mlx_are_named_and_the_wired_limit_is_none_of_them() -> None:
    found = variables(
        changed(
            IDLE_MAC,
            variables={
                "MLX_MAX_OPS_PER_BUFFER": "10",
                "iogpu.wired_limit_mb": "1",
                "MLX_DISABLE_COMPILE": "(set, not a number)",
            },
        )
    )

    assert found.status == "warning"
    assert found.value == "MLX_DISABLE_COMPILE=(set, not a number), MLX_MAX_OPS_PER_BUFFER=10"
    assert found.advice == "unless meant: unset MLX_DISABLE_COMPILE MLX_MAX_OPS_PER_BUFFER"


def test_a_missing_clang_matters_where_there_is_no_metal() -> None:
    assert statuses(software(IDLE_LINUX, NO_CLANG))["clang"] == "warning"
    on_a_mac = by_topic(software(IDLE_MAC, NO_CLANG))["clang"]
    assert on_a_mac.status == "ok"
    assert "install clang" in on_a_mac.advice
    assert statuses(software(IDLE_LINUX, None))["clang"] == "unknown"
