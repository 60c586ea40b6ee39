from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib.metadata import version

import psutil
import pytest

import mlxbench
from mlxbench.environment import collect
from mlxbench.environment.software import HIDDEN, VARIABLES, collect_variables

SECRET = "hf_secretsecret"


@pytest.fixture(autouse=True)
def no_mlx_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_this_machine_is_described() -> None:
    environment = collect()

    assert environment.os
    assert environment.machine
    assert environment.memory_bytes == psutil.virtual_memory().total
    assert environment.cpu_cores is not None
    assert environment.cpu_cores >= 1
    assert environment.accelerator_backend in ("metal", "cuda", "cpu")
    assert environment.load_1m is not None


def test_versions_are_those_of_the_running_interpreter() -> None:
    versions = collect().versions

    assert versions["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert versions["mlx"] == version("mlx")
    assert versions["mlx-lm"] == version("mlx-lm")
    assert versions["mlxbench"] == mlxbench.__version__
    assert any(name in versions for name in ("mlx-cpu", "mlx-metal", "mlx-cuda-12", "mlx-cuda-13"))


def test_no_secret_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("MLX_METAL_FAST_SYNCH", SECRET)
    monkeypatch.setenv("MLX_HOSTFILE", SECRET)
    monkeypatch.setenv("MLX_MADE_UP", SECRET)

    everything = repr(dataclasses.asdict(collect()))

    assert SECRET not in everything
    assert HIDDEN in everything


@pytest.mark.parametrize("value", ["0", "1", "-1", "50"])
def test_a_variable_that_is_a_number_is_recorded(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_MAX_OPS_PER_BUFFER", value)

    assert collect_variables() == {"MLX_MAX_OPS_PER_BUFFER": value}


@pytest.mark.parametrize("value", ["", "on", SECRET, "1" * 10, "1\n", "0x10", "１"])
def test_a_variable_that_is_no_number_is_only_said_to_be_set(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_DISABLE_COMPILE", value)

    assert collect_variables() == {"MLX_DISABLE_COMPILE": HIDDEN}


def test_neither_mlx_nor_mlx_lm_is_imported_before_it_is_asked() -> None:
    program = (
        "import sys, mlxbench.environment as e; assert 'mlx' not in sys.modules; "
        "e.collect(); assert 'mlx_lm' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ))
