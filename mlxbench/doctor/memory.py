"""Memory: what MLX may use, what others hold, and which models fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlxbench import roofline
from mlxbench.doctor.conditions import UNTOLD
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.environment import gates
from mlxbench.environment.macos import WIRED_LIMIT
from mlxbench.records import Options, Shape, Timed
from mlxbench.registry import ModelSpec

GIB, MIB = 1 << 30, 1 << 20
LEAST_AVAILABLE = 0.25
LARGEST_SWAP_BYTES = 1 * GIB
# What a Mac itself needs when a raised limit lets the GPU wire down the rest.
LEFT_FOR_THE_SYSTEM_BYTES = 8 * GIB
NAMED = 3


def memory(machine: Machine, models: Sequence[ModelSpec]) -> Iterator[Finding]:
    """All topics of this module that this system knows of."""
    if machine.system == "darwin":
        yield _pressure(machine)
    yield _available(machine)
    yield _swap(machine.environment.swap_used_bytes)
    if machine.environment.accelerator_backend == "metal":
        yield wired_limit(machine)
    yield models_that_fit(machine, models)


def needed_bytes(shape: Shape, weight_bytes: int, backend: str | None, width: int = 2) -> int:
    """What `mlxbench decode` needs with its own defaults; `width` of values and scales in bytes."""
    fused = backend != "cpu"
    return roofline.task_memory_bytes(shape, weight_bytes, Timed("decode"), Options(), width, fused)


def _pressure(machine: Machine) -> Finding:
    failed = {notice.code: notice for notice in gates.check(machine.environment)}
    if notice := failed.get("memory-pressure"):
        return Finding("memory-pressure", "warning", notice.message, notice.advice)
    if machine.environment.memory_pressure_level is None:
        return Finding("memory-pressure", "unknown", UNTOLD)
    return Finding("memory-pressure", "ok", "normal")


def _available(machine: Machine) -> Finding:
    total, available = machine.environment.memory_bytes, machine.available_bytes
    if not total or available is None:
        return Finding("memory", "unknown", UNTOLD)
    value = f"{_gib(available)} of {_gib(total)} available"
    if available >= LEAST_AVAILABLE * total:
        return Finding("memory", "ok", value)
    return Finding(
        "memory",
        "warning",
        f"only {value}",
        "close programs that hold much memory, or the system may swap during a trial",
    )


def _swap(used: int | None) -> Finding:
    if used is None:
        return Finding("swap", "unknown", UNTOLD)
    if used <= LARGEST_SWAP_BYTES:
        return Finding("swap", "ok", f"{_gib(used)} in use" if used else "none in use")
    return Finding(
        "swap",
        "warning",
        f"{_gib(used)} in use: memory was short, and what lies there may be read back in a trial",
        "close programs that hold much memory, or restart the machine",
    )


def wired_limit(machine: Machine) -> Finding:
    """What Metal recommends as the most to use, and whether somebody changed it."""
    usable, total = machine.usable_bytes, machine.environment.memory_bytes
    if usable is None:
        return Finding("wired-limit", "unknown", UNTOLD)
    value = f"MLX may use {_gib(usable)}" + (f" of {_gib(total)}" if total else "")
    limit = machine.environment.variables.get(WIRED_LIMIT)
    if limit is None:
        return Finding("wired-limit", "ok", f"{value} ({WIRED_LIMIT} is not set)")
    value += f" ({WIRED_LIMIT} was set to {limit})"
    if total is None or int(limit) * MIB <= total - LEFT_FOR_THE_SYSTEM_BYTES:
        return Finding("wired-limit", "ok", value)
    return Finding(
        "wired-limit",
        "warning",
        f"{value}, which leaves less than {_gib(LEFT_FOR_THE_SYSTEM_BYTES)} to the system",
        f"lower it, or set it back: sudo sysctl {WIRED_LIMIT}=0",
    )


def models_that_fit(machine: Machine, models: Sequence[ModelSpec]) -> Finding:
    """Which models of the registry can be measured here at 4 bit."""
    usable, backend = machine.usable_bytes, machine.environment.accelerator_backend
    needs = {
        spec.name: needed_bytes(spec.shape, roofline.weight_bytes(spec.shape), backend)
        for spec in models
        if spec.shape is not None and not spec.synthetic
    }
    if usable is None:
        return Finding("models", "unknown", UNTOLD)
    large = {name: need for name, need in needs.items() if not roofline.fits(need, usable)}
    value = f"{len(needs) - len(large)} of {len(needs)} known models fit into {_gib(usable)}"
    if not large:
        return Finding("models", "ok", value)
    listed = [f"{name} ({_gib(need)})" for name, need in sorted(large.items(), key=_by_need)]
    more = ", …" if len(listed) > NAMED else ""
    value += f"; too large: {', '.join(listed[:NAMED])}{more}"
    return Finding("models", "ok", value, _raising(machine, min(large.values())))


def _by_need(item: tuple[str, int]) -> int:
    return item[1]


def _raising(machine: Machine, needed: int) -> str:
    """How the next larger model could be made to fit, where a Mac has the memory for it."""
    total = machine.environment.memory_bytes
    if machine.environment.accelerator_backend != "metal" or total is None:
        return ""
    if needed > total - LEFT_FOR_THE_SYSTEM_BYTES:
        return ""
    wanted = -(-needed // MIB)
    return f"the next would fit after: sudo sysctl {WIRED_LIMIT}={wanted}, until a restart"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
