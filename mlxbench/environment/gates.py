"""Conditions under which a rate should not be trusted, read off an environment.

A failed gate is a warning on the record; a caller may choose to refuse instead. Unknown is not
failed: a machine that does not tell its temperature gets no warning about it.
"""

from __future__ import annotations

from collections.abc import Callable

from mlxbench.records import Environment, Notice

NOMINAL_THERMAL_LEVEL = 0
NORMAL_MEMORY_PRESSURE_LEVEL = 1
MAX_LOAD_PER_CORE = 0.5
MAX_ACCELERATOR_UTILISATION = 0.10


def check(environment: Environment) -> tuple[Notice, ...]:
    """One notice for each gate that failed, in a fixed order."""
    return tuple(notice for gate in GATES if (notice := gate(environment)) is not None)


def _thermal_pressure(environment: Environment) -> Notice | None:
    level = environment.thermal_level
    if level is None or level <= NOMINAL_THERMAL_LEVEL:
        return None
    return Notice(
        "thermal-pressure",
        f"the machine is hot: thermal pressure is {level}, nominal is {NOMINAL_THERMAL_LEVEL}",
        "let it cool down and measure again",
    )


def _power_source(environment: Environment) -> Notice | None:
    source = environment.power_source
    if source is None or source == "ac":
        return None
    return Notice(
        "on-battery",
        f"power comes from the {source}, not from the mains",
        "plug it in and measure again",
    )


def _low_power_mode(environment: Environment) -> Notice | None:
    if not environment.low_power_mode:
        return None
    return Notice(
        "low-power-mode",
        "Low Power Mode is on and lowers clock rates",
        "turn it off in System Settings and measure again",
    )


def _memory_pressure(environment: Environment) -> Notice | None:
    level = environment.memory_pressure_level
    if level is None or level <= NORMAL_MEMORY_PRESSURE_LEVEL:
        return None
    return Notice(
        "memory-pressure",
        f"memory pressure is {level}, normal is {NORMAL_MEMORY_PRESSURE_LEVEL}",
        "close programs that hold much memory and measure again",
    )


def _load(environment: Environment) -> Notice | None:
    """On the CPU backend only: a GPU run hardly notices a busy core."""
    load, cores = environment.load_1m, environment.cpu_cores
    if environment.accelerator_backend != "cpu" or load is None or not cores:
        return None
    if load / cores <= MAX_LOAD_PER_CORE:
        return None
    return Notice(
        "busy-machine",
        f"the load of the last minute was {load:.1f} on {cores} cores",
        "close other programs, or wait a minute if it was your own last run, and measure again",
    )


def _accelerator_utilisation(environment: Environment) -> Notice | None:
    share = environment.accelerator_utilisation
    if share is None or share <= MAX_ACCELERATOR_UTILISATION:
        return None
    return Notice(
        "busy-accelerator",
        f"the GPU was {share:.0%} busy before the measurement began",
        "close programs that use the GPU and measure again",
    )


# What can arise while measuring, and is not the measurement itself.
LASTING = frozenset({"thermal-pressure", "on-battery", "low-power-mode", "memory-pressure"})

GATES: tuple[Callable[[Environment], Notice | None], ...] = (
    _thermal_pressure,
    _power_source,
    _low_power_mode,
    _memory_pressure,
    _load,
    _accelerator_utilisation,
)
