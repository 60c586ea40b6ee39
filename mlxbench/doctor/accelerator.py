"""Who else uses the GPU, and who holds the accelerator for mlxbench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlxbench.doctor.conditions import UNTOLD
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.units import in_gib
from mlxbench.environment.gates import MAX_ACCELERATOR_UTILISATION
from mlxbench.environment.gpu_users import GpuUser
from mlxbench.errors import BusyError, MeasurementError
from mlxbench.lock import accelerator_lock

NAMED = 4
SCREEN = "WindowServer"


def gpu_users(machine: Machine) -> Finding | None:
    """How busy the GPU is, and who keeps it so; `None` where there is no GPU.

    A Mac's screen is drawn by the GPU too, so a little use is always there. On NVIDIA any other
    process that holds a context may begin to compute at any time.
    """
    busy, users = _busy(machine), machine.gpu.users
    if machine.system != "darwin" and not machine.gpu.nvidia:
        return None
    if busy is None and users is None:
        return Finding("gpu-users", "unknown", UNTOLD)
    disturbing = [user for user in users or () if _disturbs(user)]
    named = ", ".join(map(_named, disturbing[:NAMED])) + (", …" if len(disturbing) > NAMED else "")
    parts = [f"{busy:.0%} busy" if busy is not None else "", named]
    value = "; ".join(part for part in parts if part) or "idle"
    if disturbing or (busy or 0.0) > MAX_ACCELERATOR_UTILISATION:
        return Finding("gpu-users", "warning", value, _advice(disturbing))
    return Finding("gpu-users", "ok", value)


def _busy(machine: Machine) -> float | None:
    if machine.system == "darwin":
        return machine.environment.accelerator_utilisation
    return machine.gpu.utilisation


def _disturbs(user: GpuUser) -> bool:
    return user.share is None or user.share > MAX_ACCELERATOR_UTILISATION


def _named(user: GpuUser) -> str:
    if user.share is not None:
        return f"{user.name} {user.share:.0%}"
    return f"{user.name} {in_gib(user.memory_bytes)}" if user.memory_bytes else user.name


def _advice(disturbing: Sequence[GpuUser]) -> str:
    """Who draws the screen cannot be closed, only given less to draw."""
    if not disturbing:
        return "wait until it is idle, and measure again"
    drawing = [user for user in disturbing if user.name == SCREEN]
    if len(drawing) == len(disturbing):
        return "close windows that move, or turn the screen off, and measure again"
    screen = f" (for {SCREEN}: windows that move)" if drawing else ""
    return f"close them{screen}, or wait, and measure again"


def lock(path: Path) -> Finding:
    """Whether another mlxbench measures now; found out by taking the lock for an instant."""
    try:
        with accelerator_lock(path):
            return Finding("lock", "ok", "no other mlxbench is measuring")
    except (BusyError, MeasurementError) as error:
        return Finding("lock", "problem", error.problem, error.advice)
