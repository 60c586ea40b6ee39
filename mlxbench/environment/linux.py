"""What Linux tells without root.

Thermal pressure, memory pressure and Low Power Mode are notions of macOS and stay `None`: pressure
stall information, the nearest thing, is a share of time and not a level.
"""

from __future__ import annotations

import dataclasses
import platform
from pathlib import Path

import psutil

from mlxbench.environment import host
from mlxbench.environment.commands import file_text
from mlxbench.environment.parsing import find, find_integer
from mlxbench.records import Environment

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
KIBIBYTE = 1 << 10


def collect_host() -> Environment:
    """All topics of a Linux host except those that MLX, Python and the load average tell."""
    release = _os_release()
    return collect_conditions(
        Environment(
            os=release.get("NAME", platform.system()),
            os_version=release.get("VERSION_ID"),
            machine=platform.machine() or None,
            cpu=parse_cpu(file_text(CPUINFO)),
            cpu_cores=host.cpu_cores(),
            memory_bytes=host.memory_bytes(),
            cpu_governor=parse_governor(file_text(GOVERNOR)),
        )
    )


def collect_conditions(known: Environment) -> Environment:
    """`known` with the topics that change from minute to minute; quick enough between trials."""
    swap = parse_swap_used_bytes(file_text(MEMINFO))
    return dataclasses.replace(known, power_source=_power_source(), swap_used_bytes=swap)


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _power_source() -> str | None:
    try:
        battery = psutil.sensors_battery()
    except OSError:
        return None
    return None if battery is None else power_source(battery.power_plugged)


def power_source(plugged: bool | None) -> str | None:
    """`ac`, `battery`, or `None` where a machine has no battery or does not tell."""
    if plugged is None:
        return None
    return "ac" if plugged else "battery"


def parse_cpu(cpuinfo: str | None) -> str | None:
    """The model name of the first processor; ARM kernels give none."""
    return find(r"^model name[ \t]*:[ \t]*(\S.*?)[ \t]*$", cpuinfo)


def parse_swap_used_bytes(meminfo: str | None) -> int | None:
    """Bytes of swap in use: all of it less the free part."""
    total = find_integer(r"^SwapTotal:[ \t]*(\d{1,15}) kB$", meminfo)
    free = find_integer(r"^SwapFree:[ \t]*(\d{1,15}) kB$", meminfo)
    return None if total is None or free is None else (total - free) * KIBIBYTE


def parse_governor(text: str | None) -> str | None:
    """How the kernel picks the clock of a core: performance, powersave, schedutil and so on."""
    return find(r"\A([a-z_]{1,32})\n?\Z", text)
