"""Everything that is read of the machine, once, before anything is judged."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlxbench.environment import collect, macos
from mlxbench.environment.gpu_users import GpuUse, collect_gpu_use
from mlxbench.environment.host import available_memory_bytes
from mlxbench.environment.memory import usable_memory_bytes
from mlxbench.environment.stalls import collect_stalls
from mlxbench.records import Environment


@dataclass(frozen=True, slots=True)
class Machine:
    """Readings; what this machine does not tell is `None` or empty.

    `system` is `sys.platform`, `interpreter` the processor that this Python was built for.
    `usable_bytes` is what MLX may use, `available_bytes` what is free of other programs now.
    `sleep_minutes` of idleness put a Mac to sleep, 0 never.
    """

    system: str
    environment: Environment = field(default_factory=Environment)
    interpreter: str = ""
    gpu: GpuUse = field(default_factory=GpuUse)
    available_bytes: int | None = None
    usable_bytes: int | None = None
    stalls: Mapping[str, float] = field(default_factory=dict)
    sleep_minutes: int | None = None


def read() -> Machine:
    """This machine now."""
    gpu = collect_gpu_use()
    environment = collect()
    mac = sys.platform == "darwin"
    return Machine(
        system=sys.platform,
        environment=environment,
        interpreter=platform.machine(),
        gpu=gpu,
        available_bytes=available_memory_bytes(),
        usable_bytes=usable_memory_bytes(
            environment.accelerator_backend, environment.accelerator_memory_bytes
        ),
        stalls={} if mac else collect_stalls(),
        sleep_minutes=macos.collect_sleep_minutes() if mac else None,
    )
