"""Where results and checkpoints go: can it be written, and is there room?

A store that is there is only looked at. To open it as a measurement does would upgrade an old one,
and an older mlxbench could read it no more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlxbench.checkpoints.hub_library import cache_folder
from mlxbench.doctor.conditions import UNTOLD
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.units import GB, in_gb
from mlxbench.environment.disk import free_bytes, nearest_existing
from mlxbench.errors import InputError, MlxbenchError
from mlxbench.records import SCHEMA_VERSION
from mlxbench.store import Store, schema_version

LEAST_FOR_RESULTS_BYTES = GB // 10
LEAST_FOR_CHECKPOINTS_BYTES = 20 * GB  # one 4-bit model of 30 B parameters


def storage(store: Path) -> Iterator[Finding]:
    """All topics of this module."""
    yield result_store(store)
    yield checkpoint_cache(free_bytes(cache_folder()))


def result_store(path: Path) -> Finding:
    """Whether a result could be kept: by permission, and by a durable write beside the store.

    Another store is made, in the folder or in the nearest one that exists, and taken away again.
    """
    try:
        version = _look(path)
        _prove_folder(path)
    except MlxbenchError as error:
        return Finding("store", "problem", error.problem, error.advice)
    except OSError as error:
        return Finding(
            "store",
            "problem",
            f"no result store can be made at {str(path)!r} ({error.strerror})",
            "name another file with --db, or another folder with MLXBENCH_HOME",
        )
    value = "can be written"
    if version and version < SCHEMA_VERSION:
        value += f"; version {version}: the next measurement upgrades it"
    return _room(value, free_bytes(path))


def _look(path: Path) -> int | None:
    """The version of a store that is there; raises for what is none, or may not be written."""
    if not os.path.lexists(path):
        return None
    version = schema_version(path)
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        raise InputError(
            f"result store {str(path)!r} may not be written ({error.strerror})",
            "change its permissions, or name another file with --db",
        ) from error
    return version


def _prove_folder(path: Path) -> None:
    folder = nearest_existing(path.parent)
    with tempfile.TemporaryDirectory(prefix=".mlxbench-", dir=folder) as made:
        try:
            Store.open(Path(made) / path.name).close()
        except MlxbenchError as error:  # in the words of the store's own name
            problem = error.problem.replace(made, str(path.parent))
            raise type(error)(problem, error.advice) from error


def _room(value: str, free: int | None) -> Finding:
    if free is None:
        return Finding("store", "ok", value)
    value += f"; {in_gb(free)} free"
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
