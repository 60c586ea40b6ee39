"""Pressure stall information of Linux: the share of time in which work waited for a resource.

The kernel (since 4.20, where it is switched on) writes for each of cpu, memory and io how long at
least one task was held up, averaged over the last 10, 60 and 300 seconds. Unlike the load average
it tells a busy machine from one that is short of something.
"""

from __future__ import annotations

from pathlib import Path

from mlxbench.environment.commands import file_text
from mlxbench.environment.parsing import find

FOLDER = Path("/proc/pressure")
RESOURCES = ("cpu", "memory", "io")


def collect_stalls(folder: Path = FOLDER) -> dict[str, float]:
    """The share of the last ten seconds, 0 to 1, by resource; only those that the kernel tells."""
    found = {name: parse_stall(file_text(folder / name)) for name in RESOURCES}
    return {name: share for name, share in found.items() if share is not None}


def parse_stall(text: str | None) -> float | None:
    """The share in which at least one task waited."""
    percent = find(r"^some avg10=(\d{1,3}\.\d{2}) ", text)
    return None if percent is None or float(percent) > 100 else float(percent) / 100
