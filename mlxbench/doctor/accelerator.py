"""Who else uses the GPU, and who holds the accelerator for mlxbench."""

from __future__ import annotations

from pathlib import Path

from mlxbench.doctor.conditions import UNTOLD
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.environment.gates import MAX_ACCELERATOR_UTILISATION
from mlxbench.environment.gpu_users import GpuUser
from mlxbench.errors import BusyError, MeasurementError
from mlxbench.lock import accelerator_lock

LEAST_SHARE = 0.01  # less is a clock in a menu bar
NAMED = 4
GIB = 1 << 30


def gpu_users(machine: Machine) -> Finding | None:
    """How busy the GPU is and with whom; `None` where there is no GPU.

    A Mac's screen is drawn by the GPU too, so a little use is always there. On NVIDIA any other
    process that holds a context may begin to compute at any time.
    """
    busy, users = _busy(machine), machine.gpu.users
    if machine.system != "darwin" and not machine.gpu.nvidia:
        return None
    if busy is None and users is None:
        return Finding("gpu-users", "unknown", UNTOLD)
    shown = [user for user in users or () if user.share is None or user.share >= LEAST_SHARE]
    named = ", ".join(map(_named, shown[:NAMED])) + (", …" if len(shown) > NAMED else "")
    parts = [f"{busy:.0%} busy" if busy is not None else "", named]
    value = "; ".join(part for part in parts if part) or "idle"
    disturbed = (busy or 0.0) > MAX_ACCELERATOR_UTILISATION or any(map(_disturbs, shown))
    if not disturbed:
        return Finding("gpu-users", "ok", value)
    return Finding("gpu-users", "warning", value, "close them, or wait, and measure again")


def _busy(machine: Machine) -> float | None:
    if machine.system == "darwin":
        return machine.environment.accelerator_utilisation
    return machine.gpu.utilisation


def _disturbs(user: GpuUser) -> bool:
    return user.share is None or user.share > MAX_ACCELERATOR_UTILISATION


def _named(user: GpuUser) -> str:
    if user.share is not None:
        return f"{user.name} {user.share:.0%}"
    held = f" {user.memory_bytes / GIB:.1f} GiB" if user.memory_bytes is not None else ""
    return f"{user.name}{held}"


def lock(path: Path) -> Finding:
    """Whether another mlxbench measures now; found out by taking the lock for an instant."""
    try:
        with accelerator_lock(path):
            return Finding("lock", "ok", "no other mlxbench is measuring")
    except (BusyError, MeasurementError) as error:
        return Finding("lock", "problem", error.problem, error.advice)
