"""What every benchmark's record says of the machine and the command that made it."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from mlxbench import environment


def conditions() -> dict[str, Any]:
    """The command, the date, the machine and the versions; by the same allow-list as every run."""
    found = environment.collect()
    module = sys.modules["__main__"].__spec__
    name = module.name if module else "?"
    return {
        "command": shlex.join(["python", "-m", name, *sys.argv[1:]]),
        "date_utc": datetime.now(UTC).strftime("%Y-%m-%d"),
        "os": f"{found.os} {found.os_version or ''}".strip(),
        "cpu": found.cpu,
        "cpu_cores": found.cpu_cores,
        "memory_bytes": found.memory_bytes,
        "accelerator": found.accelerator,
        "backend": found.accelerator_backend,
        "load_1m": found.load_1m,
        "versions": dict(found.versions),
    }
