"""How many bytes a model may use, to be asked before anything is loaded.

On a GPU the answer is the device's own figure. On the CPU it is what the system could give without
swapping, further cut by the control group of a container: the kernel ends a process that
crosses that limit however much memory the machine has. Page cache counts towards what a group uses
and is given back on demand, so a group's current use is deliberately not subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlxbench.environment import host
from mlxbench.environment.commands import file_text
from mlxbench.environment.parsing import find_integer

CGROUP_ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_memory_bytes(backend: str | None, accelerator_memory_bytes: int | None) -> int | None:
    """Bytes that weights, KV cache and headroom together may take; `None` if unknown.

    `backend` and `accelerator_memory_bytes` are `accelerator_backend` and
    `accelerator_memory_bytes` of `Environment`.
    """
    if backend in ("metal", "cuda"):
        return accelerator_memory_bytes
    bounds = (
        host.available_memory_bytes(),
        cgroup_limit_bytes(CGROUP_ROOT, file_text(MEMBERSHIP)),
    )
    return min((bound for bound in bounds if bound is not None), default=None)


def cgroup_limit_bytes(root: Path, membership: str | None) -> int | None:
    """The tightest memory limit on the way from this process's groups up to `root`."""
    limits = [
        find_integer(r"\A(\d{1,20})\n?\Z", file_text(path))
        for path in _limit_files(root, membership or "")
    ]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit_files(root: Path, membership: str) -> Iterator[Path]:
    """Files that may hold a limit, for version 2 (`0::/path`) and 1 (`4:memory:/path`)."""
    for line in membership.splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        # A container often sees its own group as the top and cannot see the path it is told.
        own = top / group.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(top):
                yield folder / name
