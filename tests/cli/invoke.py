"""Runs the command line as people do, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-c", "from mlxbench.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Variables for a process that keeps everything below `home`, at 80 columns."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "MLX"))}
    own = {"HOME": str(home), "MLXBENCH_HOME": str(home / "mlxbench"), "COLUMNS": "80"}
    return kept | own | variables


def run(home: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> Outcome:
    """Run `mlxbench ARGUMENTS` in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **(variables or {})),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
