from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.doctor.accelerator import gpu_users, lock
from mlxbench.doctor.finding import Finding
from mlxbench.environment.gpu_users import GpuUse, GpuUser
from mlxbench.lock import HOLDER_VARIABLE
from tests.doctor.machines import IDLE_LINUX, IDLE_MAC, RECORDED_MAC, nvidia

HOLD = """
import pathlib, sys
from mlxbench.lock import accelerator_lock
with accelerator_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_machine_without_a_gpu_has_no_such_topic() -> None:
    assert gpu_users(IDLE_LINUX) is None


def test_whoever_keeps_the_gpu_of_a_mac_busy_is_named_with_its_share() -> None:
    assert gpu_users(RECORDED_MAC) == Finding(
        "gpu-users",
        "warning",
        "27% busy; ollama_llama_ser 86%",
        "close them, or wait, and measure again",
    )


def test_drawing_the_screen_is_no_matter() -> None:
    drawing = GpuUse(users=(GpuUser("WindowServer", 0.03), GpuUser("clock", 0.001)))

    assert gpu_users(replace(IDLE_MAC, gpu=drawing)) == Finding("gpu-users", "ok", "2% busy")


@pytest.mark.parametrize(
    ("shares", "value", "advice"),
    [
        ({"WindowServer": 0.3, "clock": 0.1}, "WindowServer 30%", "close windows that move, or"),
        (
            {"ollama": 0.5, "WindowServer": 0.3},
            "ollama 50%, WindowServer 30%",
            "close them (for WindowServer: windows that move), or wait",
        ),
        ({"a": 0.09, "b": 0.08}, "", "wait until it is idle"),
    ],
)
def test_only_whom_one_can_close_is_to_be_closed(
    shares: dict[str, float], value: str, advice: str
) -> None:
    busy = replace(IDLE_MAC.environment, accelerator_utilisation=0.5)
    users = tuple(GpuUser(name, share) for name, share in shares.items())
    found = gpu_users(replace(IDLE_MAC, environment=busy, gpu=GpuUse(users=users)))

    assert found is not None
    assert found.status == "warning"
    assert found.value == "50% busy" + f"; {value}" * bool(value)
    assert found.advice.startswith(advice)
    assert found.advice.endswith(", and measure again")


def test_a_busy_mac_that_names_nobody_is_still_warned_of() -> None:
    busy = replace(IDLE_MAC.environment, accelerator_utilisation=0.5)
    found = gpu_users(replace(IDLE_MAC, environment=busy, gpu=GpuUse()))

    assert found is not None
    assert (found.status, found.value) == ("warning", "50% busy")
    assert found.advice == "wait until it is idle, and measure again"


def test_a_mac_that_tells_nothing_of_its_gpu_is_unknown() -> None:
    silent = replace(IDLE_MAC.environment, accelerator_utilisation=None)
    found = gpu_users(replace(IDLE_MAC, environment=silent, gpu=GpuUse()))

    assert found is not None
    assert found.status == "unknown"


def test_processes_on_an_nvidia_gpu_are_named_with_their_memory() -> None:
    found = gpu_users(replace(IDLE_LINUX, gpu=nvidia()))

    assert found is not None
    assert found.status == "warning"
    assert found.value == "37% busy; ollama 19.07 GiB, python3 1.00 GiB, a, b.exe"


def test_an_idle_nvidia_gpu_is_fine() -> None:
    idle = GpuUse(("NVIDIA H100",), 0.0, ())
    found = gpu_users(replace(IDLE_LINUX, gpu=idle))

    assert found is not None
    assert (found.status, found.value) == ("ok", "0% busy")


def test_a_free_lock_stays_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    assert [lock(path).status, lock(path).status] == ["ok", "ok"]
    assert path.read_text() == ""


def test_another_mlxbench_that_holds_the_lock_is_a_problem_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOLDER_VARIABLE, raising=False)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = lock(tmp_path / "lock")
        holder.communicate("")
    assert found.status == "problem"
    assert f"pid {holder.pid}" in found.value
    assert found.advice
    assert lock(tmp_path / "lock").status == "ok"


def test_what_cannot_be_a_lock_file_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert lock(tmp_path / "pipe").status == "problem"
