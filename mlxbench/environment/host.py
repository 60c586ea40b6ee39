"""What every host tells in the same way: cores, memory, load."""

from __future__ import annotations

import os

import psutil


def cpu_cores() -> int | None:
    """Physical cores, or logical ones where the system (some ARM machines) hides the difference."""
    try:
        return psutil.cpu_count(logical=False) or psutil.cpu_count(logical=True)
    except OSError:
        return None


def memory_bytes() -> int | None:
    """All memory that the system manages, used or not."""
    try:
        return psutil.virtual_memory().total
    except OSError:
        return None


def available_memory_bytes() -> int | None:
    """Memory that programs could get now without swapping."""
    try:
        return psutil.virtual_memory().available
    except OSError:
        return None


def load_1m() -> float | None:
    """Processes that ran or waited to run, averaged over the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
