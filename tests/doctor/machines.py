"""Machines to examine: a Mac on a bad day, one at rest, and Linux."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlxbench.doctor import Finding, Machine
from mlxbench.environment import linux, macos
from mlxbench.environment.gpu_users import (
    GpuUse,
    parse_gpu_times,
    parse_nvidia_gpus,
    parse_nvidia_users,
    shares,
)
from mlxbench.environment.stalls import parse_stall
from mlxbench.records import Environment
from tests.environment.recordings import recorded

GIB = 1 << 30
VERSIONS = {"python": "3.12.4", "mlx": "0.32.4", "mlx-lm": "0.32.2"}

# A Mac Studio at rest.
IDLE_MAC = Machine(
    system="darwin",
    interpreter="arm64",
    environment=Environment(
        os="macOS",
        cpu="Apple M3 Ultra",
        cpu_cores=28,
        memory_bytes=512 * GIB,
        accelerator="Apple M3 Ultra",
        accelerator_backend="metal",
        accelerator_memory_bytes=480 * GIB,
        versions=VERSIONS,
        load_1m=2.0,
        power_source="ac",
        low_power_mode=False,
        thermal_level=0,
        memory_pressure_level=1,
        swap_used_bytes=0,
        accelerator_utilisation=0.02,
    ),
    gpu=GpuUse(users=()),
    available_bytes=490 * GIB,
    usable_bytes=480 * GIB,
    sleep_minutes=0,
)

# The same on a bad day, read by the parsers from what the tools print.
RECORDED_MAC = Machine(
    system="darwin",
    interpreter="arm64",
    environment=replace(
        IDLE_MAC.environment,
        power_source=macos.parse_power_source(recorded("power_battery.txt")),
        low_power_mode=macos.parse_low_power_mode(recorded("settings_low_power.txt")),
        thermal_level=macos.parse_thermal_level(recorded("thermal_heavy.txt")),
        memory_pressure_level=macos.parse_number(recorded("memory_pressure_warning.txt")),
        swap_used_bytes=macos.parse_swap_used_bytes(recorded("swap.txt")),
        accelerator_utilisation=macos.parse_gpu_utilisation(recorded("accelerator.txt")),
        variables=macos.parse_wired_limit(recorded("wired_limit_set.txt")),
    ),
    gpu=GpuUse(
        users=shares(
            parse_gpu_times(recorded("gpu_clients_before.txt")),
            parse_gpu_times(recorded("gpu_clients_after.txt")),
            elapsed_s=0.5,
            own_pid=1,
        )
    ),
    available_bytes=100 * GIB,
    usable_bytes=448 * GIB,
    sleep_minutes=macos.parse_sleep_minutes(" sleep   10 (sleep prevented by powerd)\n"),
)

IDLE_LINUX = Machine(
    system="linux",
    interpreter="x86_64",
    environment=Environment(
        os="Debian GNU/Linux",
        cpu=linux.parse_cpu(recorded("cpuinfo_x86.txt")),
        cpu_cores=96,
        memory_bytes=64 * GIB,
        accelerator_backend="cpu",
        versions=VERSIONS,
        load_1m=0.5,
        swap_used_bytes=linux.parse_swap_used_bytes(recorded("meminfo.txt")),
    ),
    available_bytes=60 * GIB,
    usable_bytes=60 * GIB,
)


def nvidia(users: str = "nvidia_users.csv") -> GpuUse:
    """What NVIDIA's tool said."""
    names, busy = parse_nvidia_gpus(recorded("nvidia_gpus.csv"))
    return GpuUse(names, busy, parse_nvidia_users(recorded(users), own_pid=1))


def stalled() -> dict[str, float]:
    """Stalls as a busy kernel tells them."""
    found = {name: parse_stall(recorded(f"pressure_{name}.txt")) for name in ("cpu", "memory")}
    return {name: share for name, share in found.items() if share is not None}


def by_topic(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The findings, each topic once."""
    listed = list(findings)
    found = {finding.topic: finding for finding in listed}
    assert len(found) == len(listed)
    return found


def statuses(findings: Iterable[Finding]) -> dict[str, str]:
    return {topic: finding.status for topic, finding in by_topic(findings).items()}
