"""What the makers of chips state about their memory."""

from __future__ import annotations

from mlxbench.records import Environment

# Unified memory bandwidth in bytes per second, from Apple's technical specifications of each chip.
BANDWIDTH = {
    "M1": 68.25e9,
    "M1 Pro": 200e9,
    "M1 Max": 400e9,
    "M1 Ultra": 800e9,
    "M2": 100e9,
    "M2 Pro": 200e9,
    "M2 Max": 400e9,
    "M2 Ultra": 800e9,
    "M3": 100e9,
    "M3 Pro": 150e9,
    "M3 Ultra": 819e9,
    "M4": 120e9,
    "M4 Pro": 273e9,
}
# Chips of one name that come with two bandwidths, told apart by their GPU cores.
BANDWIDTH_BY_CORES = {
    ("M3 Max", 30): 300e9,
    ("M3 Max", 40): 400e9,
    ("M4 Max", 32): 410e9,
    ("M4 Max", 40): 546e9,
}


def bandwidth_of(environment: Environment) -> float | None:
    """Bytes per second of the accelerator's memory as its maker states it, `None` if unknown."""
    name = (environment.accelerator or "").removeprefix("Apple ")
    by_cores = BANDWIDTH_BY_CORES.get((name, environment.accelerator_cores or 0))
    return by_cores or BANDWIDTH.get(name)
