"""Making a synthetic checkpoint once, so that whatever has its final name is complete.

A checkpoint is written into a partial directory, synced, and only then renamed. One lock file lets
one maker at a time into the cache; the system frees the lock of a process that dies. So a partial
directory found while holding the lock is the leftover of a dead maker, and a second process that
wants the same checkpoint waits and finds it made.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlxbench.errors import DoesNotFitError, InputError, MlxbenchError
from mlxbench.synthetic.config import generation_config, model_config
from mlxbench.synthetic.files import sync_directory, write_json
from mlxbench.synthetic.layout import FloatType, tensors
from mlxbench.synthetic.recipe import Recipe, ScaleType
from mlxbench.synthetic.shards import INDEX_FILE, Shard, plan, write_shards
from mlxbench.synthetic.tokenizer import TOKENIZER_FILES, write_tokenizer

FOLDER = "synthetic"
LOCK_FILE = ".lock"
PARTIAL_DIRECTORY = ".partial"
CONFIG_FILES = ("config.json", "generation_config.json")
# The tokenizer takes some megabytes, and a disk filled to the brim harms more than this tool.
DISK_MARGIN_BYTES = 500_000_000
# A full disk, a used-up quota, a file system that cannot hold a file of a shard's size.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FLOAT_TYPES: dict[ScaleType, FloatType] = {"bf16": "BF16", "f32": "F32"}

Progress = Callable[[int, int], None]


def size_bytes(recipe: Recipe) -> int:
    """The size of the weight files; tokenizer and configuration add a few megabytes at most."""
    return sum(shard.n_bytes for shard in _shards(recipe))


def ensure(recipe: Recipe, cache: Path, on_progress: Progress | None = None) -> Path:
    """The directory of this checkpoint under `cache`, made if it is not there yet.

    `on_progress` gets the bytes written and the bytes in total. Raises DoesNotFitError when the
    disk has no room, before or during the write, and InputError when `cache` cannot be written.
    """
    directory = cache / FOLDER / recipe.directory_name
    shards = _shards(recipe)
    if _is_complete(directory, shards):
        return directory
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _only_maker(directory.parent):
            if not _is_complete(directory, shards):
                _make(recipe, shards, directory, on_progress)
    except OSError as error:
        raise _refusal(error, recipe, directory.parent) from error
    return directory


def _shards(recipe: Recipe) -> list[Shard]:
    return plan(tensors(recipe.effective_shape, FLOAT_TYPES[recipe.scales], recipe.bits))


def _is_complete(directory: Path, shards: list[Shard]) -> bool:
    """Whether every file is there, the weights in full size: caches get cleaned behind our back."""
    others = (*CONFIG_FILES, *TOKENIZER_FILES, INDEX_FILE)
    if not all((directory / name).is_file() for name in others):
        return False
    files = [(directory / shard.file, shard.n_bytes) for shard in shards]
    return all(path.is_file() and path.stat().st_size == n_bytes for path, n_bytes in files)


@contextmanager
def _only_maker(folder: Path) -> Iterator[None]:
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(
    recipe: Recipe, shards: list[Shard], directory: Path, on_progress: Progress | None
) -> None:
    partial = directory.parent / PARTIAL_DIRECTORY
    for leftover in (partial, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    total = sum(shard.n_bytes for shard in shards)
    if shutil.disk_usage(directory.parent).free < total + DISK_MARGIN_BYTES:
        raise _no_room(recipe, directory.parent)
    partial.mkdir()
    try:
        write_json(partial / "config.json", model_config(recipe))
        write_json(partial / "generation_config.json", generation_config(recipe))
        write_tokenizer(partial, recipe.shape.vocab_size)
        write_shards(
            partial,
            shards,
            recipe.seed,
            lambda written: on_progress(written, total) if on_progress else None,
        )
        sync_directory(partial)
        partial.rename(directory)
        sync_directory(directory.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refusal(error: OSError, recipe: Recipe, folder: Path) -> MlxbenchError:
    if error.errno in NO_ROOM:
        return _no_room(recipe, folder, f": {error.strerror}")
    return InputError(
        f"synthetic checkpoints cannot be kept in {folder}: {error.strerror}",
        "make it writable or set MLXBENCH_HOME to a folder that is",
    )


def _no_room(recipe: Recipe, folder: Path, cause: str = "") -> DoesNotFitError:
    needed = size_bytes(recipe) + DISK_MARGIN_BYTES
    free = shutil.disk_usage(folder).free
    return DoesNotFitError(
        f"the synthetic checkpoint of {recipe.name} needs {needed / 1e9:.1f} GB of disk "
        f"and {folder} has {free / 1e9:.1f} GB free{cause}",
        "free some space, ask for fewer --layers, or set MLXBENCH_HOME to a larger disk",
    )
