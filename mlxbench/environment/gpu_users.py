"""Who else computes on the GPU, by the names of their programs.

**A Mac** keeps a counter for each client of the GPU, readable without root: every object below the
accelerator in the I/O registry names its creator (`"pid 412, WindowServer"`, cut to 16 characters
by the kernel) and the nanoseconds that each of its APIs has used so far. One reading says nothing;
the difference of two over the time between them is a share of the GPU. The clients are not
registered services, so only a walk below the accelerator finds them. (From published programs that
read the same counters; not tried on a Mac here.)

**NVIDIA's** `nvidia-smi` lists the processes that hold a context, each with its memory. Inside a
container it may list none of those outside.

A program's name is recorded without its folder, which may hold anybody's name.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlxbench.environment.commands import command_output

BETWEEN_READINGS_S = 0.5
MEBIBYTE = 1 << 20
LONGEST_NAME = 64

_OBJECT = re.compile(r"^[ |]*\+-o ", re.MULTILINE)
_CREATOR = re.compile(r'"IOUserClientCreator" = "pid (\d{1,10}), ([^"\n]{1,64})"')
_GPU_TIME = re.compile(r'"accumulatedGPUTime"\s?=\s?(\d{1,18})\b')

GpuTimes = Mapping[int, tuple[str, int]]  # by process: name, nanoseconds so far


@dataclass(frozen=True, slots=True)
class GpuUser:
    """One other process: the share of the GPU's time (0 to 1) or the memory that it takes."""

    name: str
    share: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GpuUse:
    """The GPUs that NVIDIA's driver names, how busy they are, and who else uses the GPU.

    `users` is `None` where the machine does not tell.
    """

    nvidia: tuple[str, ...] = ()
    utilisation: float | None = None
    users: tuple[GpuUser, ...] | None = None


def collect_gpu_use() -> GpuUse:
    """Asked before MLX opens the device: its own process would be a user as well."""
    return mac_gpu_use() if sys.platform == "darwin" else nvidia_gpu_use()


def mac_gpu_use() -> GpuUse:
    """The shares of the GPU over half a second, by process."""
    before, began = _gpu_times(), time.monotonic()
    if not before:
        return GpuUse()
    time.sleep(BETWEEN_READINGS_S)
    after, elapsed_s = _gpu_times(), time.monotonic() - began
    return GpuUse(users=shares(before, after, elapsed_s, os.getpid()))


def _gpu_times() -> GpuTimes:
    return parse_gpu_times(command_output("ioreg", "-r", "-l", "-w", "0", "-c", "IOAccelerator"))


def nvidia_gpu_use() -> GpuUse:
    """What the driver's own tool says of GPUs and processes."""
    form = "--format=csv,noheader,nounits"
    gpus = command_output("nvidia-smi", "--query-gpu=name,utilization.gpu", form)
    if gpus is None:
        return GpuUse()
    apps = command_output("nvidia-smi", "--query-compute-apps=pid,process_name,used_memory", form)
    names, utilisation = parse_nvidia_gpus(gpus)
    return GpuUse(names, utilisation, parse_nvidia_users(apps, os.getpid()))


def parse_gpu_times(ioreg: str | None) -> GpuTimes:
    """The GPU time of each process so far; a process may have several clients."""
    found: dict[int, tuple[str, int]] = {}
    for part in _OBJECT.split(ioreg or ""):
        creator = _CREATOR.search(part)
        if creator is None:
            continue
        pid, name = int(creator[1]), _base(creator[2])
        used = sum(int(time_ns) for time_ns in _GPU_TIME.findall(part))
        found[pid] = (name, found.get(pid, (name, 0))[1] + used)
    return found


def shares(
    before: GpuTimes, after: GpuTimes, elapsed_s: float, own_pid: int
) -> tuple[GpuUser, ...]:
    """Who used the GPU between two readings, the busiest first.

    A process may close one client and open another meanwhile: a sum that fell tells nothing.
    """
    if elapsed_s <= 0:
        return ()
    users = [
        GpuUser(name, min(1.0, (used - before[pid][1]) / (elapsed_s * 1e9)))
        for pid, (name, used) in after.items()
        if pid != own_pid and pid in before and used > before[pid][1]
    ]
    return tuple(sorted(users, key=lambda user: -(user.share or 0.0)))


def parse_nvidia_gpus(csv: str | None) -> tuple[tuple[str, ...], float | None]:
    """The names of the GPUs, and how busy the busiest is, 0 to 1."""
    names, busy = [], []
    for line in (csv or "").splitlines():
        name, comma, percent = line.rpartition(",")
        if comma and name.strip():
            names.append(name.strip()[:LONGEST_NAME])
            if re.fullmatch(r"\d{1,3}", percent.strip(), re.ASCII) and int(percent) <= 100:
                busy.append(int(percent) / 100)
    return tuple(names), max(busy, default=None)


def parse_nvidia_users(csv: str | None, own_pid: int) -> tuple[GpuUser, ...] | None:
    """The processes that hold a context, by memory; `None` if the tool gave no list."""
    if csv is None:
        return None
    users = sorted(_nvidia_users(csv, own_pid), key=lambda user: -(user.memory_bytes or 0))
    return tuple(users)


def _nvidia_users(csv: str, own_pid: int) -> Iterator[GpuUser]:
    for line in csv.splitlines():
        match = re.fullmatch(r"\s*(\d{1,10}),\s?(.*),\s*(\S.*?)\s*", line, re.ASCII)
        if match and int(match[1]) != own_pid:
            known = re.fullmatch(r"\d{1,9}", match[3], re.ASCII)
            yield GpuUser(_base(match[2]), memory_bytes=int(match[3]) * MEBIBYTE if known else None)


def _base(name: str) -> str:
    """A program's name without its folder."""
    last = re.split(r"[/\\]", name.strip())[-1]
    return last[:LONGEST_NAME] or "a program without a name"
