"""Writing files that are on the disk itself before the checkpoint gets its name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO


def write_json(path: Path, content: Any) -> None:
    """Write and sync one JSON file."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write and sync one UTF-8 file."""
    with path.open("wb") as file:
        file.write(text.encode())
        sync(file)


def sync(file: BinaryIO) -> None:
    """Return once the disk has what was written."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Return once the disk has the names of the files in a directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
