"""Text from outside: what a tool prints, what a file holds, or `None`.

Tools are found by name on the `PATH`, never by an absolute path. They speak the C locale, so that
a decimal point is a point, and get a short time, so that a hung tool costs seconds, not a run.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_S = 2.0


def command_output(*command: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """Standard output of `command`, or `None` if it is absent, fails or is late."""
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout


def file_text(path: Path) -> str | None:
    """The text of a small file, or `None` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
