"""Memory: what MLX may use, what others hold, and which models fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlxbench import roofline
from mlxbench.doctor.conditions import UNTOLD, gated
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.units import GIB, MIB, in_gib
from mlxbench.environment import gates
from mlxbench.environment.macos import WIRED_LIMIT
from mlxbench.records import Options, Shape, Timed
from mlxbench.registry import ModelSpec

LEAST_AVAILABLE = 0.25
LARGEST_SWAP_BYTES = 1 * GIB
# What a Mac itself needs when a raised limit lets the GPU wire down the rest: a quarter of a small
# one, and no more than this of a large one.
MOST_FOR_THE_SYSTEM_BYTES = 8 * GIB
# By itself macOS lets the GPU wire down about two thirds of a small memory, three quarters of a
# large one. A limit below this share of all memory was lowered.
LOWERED = 0.6
NAMED = 3
MADE_SCALE_BYTES = {"cpu": 4}  # of made-up weights: see `mlxbench.synthetic`


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


def made_scale_bytes(backend: str | None) -> int:
    """The width of scales and values in a made-up checkpoint for this backend."""
    return MADE_SCALE_BYTES.get(backend or "", 2)


def _need(spec: ModelSpec, shape: Shape, backend: str | None) -> int:
    """What a model of the registry needs at 4 bits."""
    width = made_scale_bytes(backend) if spec.synthetic else 2
    return needed_bytes(shape, roofline.weight_bytes(shape, scale_bytes=width), backend, width)


def _pressure(machine: Machine) -> Finding:
    failed = {notice.code: notice for notice in gates.check(machine.environment)}
    known = machine.environment.memory_pressure_level is not None
    return gated("memory-pressure", "normal" if known else None, failed.get("memory-pressure"))


def _available(machine: Machine) -> Finding:
    total, available = machine.environment.memory_bytes, machine.available_bytes
    if not total or available is None:
        return Finding("memory", "unknown", UNTOLD)
    value = f"{in_gib(available)} of {in_gib(total)} available"
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
        return Finding("swap", "ok", f"{in_gib(used)} in use" if used else "none in use")
    return Finding(
        "swap",
        "warning",
        f"{in_gib(used)} in use: memory was short, and what lies there may be read back in a trial",
        "close programs that hold much memory, or restart the machine",
    )


def wired_limit(machine: Machine) -> Finding:
    """What Metal recommends as the most to use, and whether somebody changed it."""
    usable, total = machine.usable_bytes, machine.environment.memory_bytes
    if usable is None:
        return Finding("wired-limit", "unknown", UNTOLD)
    value = f"MLX may use {in_gib(usable)}" + (f" of {in_gib(total)}" if total else "")
    limit = machine.environment.variables.get(WIRED_LIMIT)
    if limit is None:
        return Finding("wired-limit", "ok", f"{value} ({WIRED_LIMIT} is not set)")
    value += f" ({WIRED_LIMIT} was set to {limit})"
    back = f"set it back: sudo sysctl {WIRED_LIMIT}=0"
    if total is not None and int(limit) * MIB > total - _for_the_system(total):
        value += f", which leaves less than {in_gib(_for_the_system(total))} to the system"
        return Finding("wired-limit", "warning", value, f"lower it, or {back}")
    if total is not None and int(limit) * MIB < LOWERED * total:
        value += ", less than macOS allows by itself"
        return Finding("wired-limit", "warning", value, back)
    return Finding("wired-limit", "ok", value)


def _for_the_system(total: int) -> int:
    return min(MOST_FOR_THE_SYSTEM_BYTES, total // 4)


def raised_limit(machine: Machine, needed: int) -> str:
    """The command after which `needed` bytes would fit; empty where no limit makes them fit."""
    total = machine.environment.memory_bytes
    if machine.environment.accelerator_backend != "metal" or total is None:
        return ""
    if needed > total - _for_the_system(total):
        return ""
    return f"sudo sysctl {WIRED_LIMIT}={-(-needed // MIB)}, until a restart"


def models_that_fit(machine: Machine, models: Sequence[ModelSpec]) -> Finding:
    """Which models of the registry can be measured here at 4 bits; all of them are counted."""
    usable, backend = machine.usable_bytes, machine.environment.accelerator_backend
    needs = {spec.name: _need(spec, spec.shape, backend) for spec in models if spec.shape}
    if usable is None:
        return Finding("models", "unknown", UNTOLD)
    large = {name: need for name, need in needs.items() if not roofline.fits(need, usable)}
    fitting = f"{len(needs) - len(large)} of the {len(models)} models in `models list`"
    value = f"{fitting} fit into {in_gib(usable)} at 4 bits"
    if untold := len(models) - len(needs):
        value += f"; {untold} of unknown size"
    if not large:
        return Finding("models", "ok", value)
    listed = [f"{name} ({in_gib(need)})" for name, need in sorted(large.items(), key=_by_need)]
    more = ", …" if len(listed) > NAMED else ""
    value += f"; too large: {', '.join(listed[:NAMED])}{more}"
    raising = raised_limit(machine, min(large.values()))
    return Finding("models", "ok", value, raising and f"the next would fit after: {raising}")


def _by_need(item: tuple[str, int]) -> int:
    return item[1]
