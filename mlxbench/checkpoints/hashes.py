"""Hashes of whole files, remembered by inode, size and modification time.

Hashing 132 GB takes minutes, so a file is hashed once and again only after it changed. The memory
cannot notice a disk that lost a bit without being told: delete `hashes.json` in mlxbench's cache
directory to have everything hashed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlxbench.checkpoints.jsonfile import read_object, write_object
from mlxbench.errors import CheckpointError
from mlxbench.paths import cache_directory

SHA256 = "sha256"
GIT_SHA1 = "git-sha1"
CHUNK_BYTES = 4 * 1024**2

OnBytes = Callable[[int], None]


def file_digest(path: Path, algorithm: str, on_bytes: OnBytes) -> str:
    """`algorithm:hex` of `path`, from memory where it did not change since; OSError if unreadable.

    `on_bytes` gets the number of bytes just dealt with.
    """
    before = path.stat()
    key = f"{algorithm}:{before.st_dev}:{before.st_ino}:{before.st_size}:{before.st_mtime_ns}"
    known = _remembered().get(key)
    if isinstance(known, str):
        on_bytes(before.st_size)
        return known
    digest = f"{algorithm}:{_hash(path, algorithm, before.st_size, on_bytes)}"
    if _identity(path.stat()) == _identity(before):
        with suppress(OSError):  # not remembering costs time only
            write_object(_memory_path(), {**_remembered(), key: digest})
    return digest


def _hash(path: Path, algorithm: str, size: int, on_bytes: OnBytes) -> str:
    if algorithm == GIT_SHA1:
        state = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    else:
        state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            state.update(chunk)
            on_bytes(len(chunk))
    return state.hexdigest()


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _memory_path() -> Path:
    return cache_directory() / "hashes.json"


def _remembered() -> dict[str, Any]:
    try:
        return read_object(_memory_path())
    except CheckpointError:  # absent at first; a damaged memory only costs time
        return {}
