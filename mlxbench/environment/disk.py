"""How much room a disk has left, asked of a place that may not exist yet."""

from __future__ import annotations

import shutil
from pathlib import Path


def nearest_existing(path: Path) -> Path:
    """`path`, or the first folder above it that exists."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write where `path` is or would be; `None` if unknown."""
    try:
        return shutil.disk_usage(nearest_existing(path)).free
    except OSError:
        return None
