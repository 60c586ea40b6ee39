"""Where results and checkpoints go: can it be written, and is there room?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlxbench.checkpoints.hub_library import cache_folder
from mlxbench.doctor.conditions import UNTOLD
from mlxbench.doctor.finding import Finding
from mlxbench.environment.disk import free_bytes, nearest_existing
from mlxbench.errors import MlxbenchError
from mlxbench.store import Store

GB = 1_000_000_000
LEAST_FOR_RESULTS_BYTES = GB // 10
LEAST_FOR_CHECKPOINTS_BYTES = 20 * GB  # one 4-bit model of 30 B parameters


def storage(store: Path) -> Iterator[Finding]:
    """All topics of this module."""
    yield result_store(store)
    yield checkpoint_cache(free_bytes(cache_folder()))


def result_store(path: Path) -> Finding:
    """Whether a result could be kept, proved by a durable write.

    A store that is there is opened as by any command. One that is not there yet is not made:
    another is, in the nearest folder that exists, and taken away again.
    """
    try:
        _prove(path)
    except MlxbenchError as error:
        return Finding("store", "problem", error.problem, error.advice)
    except OSError as error:
        return Finding(
            "store",
            "problem",
            f"no result store can be made at {str(path)!r} ({error.strerror})",
            "name another file with --db, or another folder with MLXBENCH_HOME",
        )
    return _room(free_bytes(path))


def _prove(path: Path) -> None:
    if path.exists() or path.is_symlink():
        Store.open(path).close()
        return
    with tempfile.TemporaryDirectory(prefix=".mlxbench-", dir=nearest_existing(path)) as folder:
        Store.open(Path(folder) / path.name).close()


def _room(free: int | None) -> Finding:
    if free is None:
        return Finding("store", "ok", "can be written")
    value = f"can be written; {in_gb(free)} free"
    if free >= LEAST_FOR_RESULTS_BYTES:
        return Finding("store", "ok", value)
    return Finding("store", "warning", value, "free some space before measuring for long")


def checkpoint_cache(free: int | None) -> Finding:
    """Room for downloads, wherever HF_HUB_CACHE and HF_HOME place them."""
    if free is None:
        return Finding("checkpoint-cache", "unknown", UNTOLD)
    value = f"{in_gb(free)} free for downloads"
    if free >= LEAST_FOR_CHECKPOINTS_BYTES:
        return Finding("checkpoint-cache", "ok", value)
    return Finding(
        "checkpoint-cache",
        "warning",
        f"only {value}",
        "free some space, or set HF_HOME to a folder on a larger disk",
    )


def in_gb(size: int) -> str:
    """Bytes as decimal GB, the unit of disks; MB where there is little."""
    return f"{size / GB:.1f} GB" if size >= GB // 10 else f"{size / 1e6:.1f} MB"
