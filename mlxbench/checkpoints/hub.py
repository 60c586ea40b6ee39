"""Checkpoints from a Hugging Face hub, in Hugging Face's own cache.

`pull` asks the hub which commit a revision is and what it consists of, fetches the small files,
refuses code and missing weights before a large file is touched, fetches the weights, and compares
every file with the hub's size and hash. The same call resumes: files that arrived are kept, and a
connection cut inside a file goes on at the byte where it was cut. (A *process* that ends inside a
file begins that file again, because huggingface_hub 2.4 keeps no partial file.)

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `HF_HOME` and the rest are huggingface_hub's own. It
reads them when it is imported, which therefore happens inside functions only.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mlxbench.checkpoints.hub_errors import RUN_AGAIN, not_cached
from mlxbench.checkpoints.hub_library import (
    cache_folder,
    describe,
    download,
    find_cached,
    is_offline,
    repository_folder,
)
from mlxbench.checkpoints.inspection import inspect, read_config
from mlxbench.checkpoints.manifest import ExpectedFile, save_manifest
from mlxbench.checkpoints.shards import SHARDS, shard_names
from mlxbench.checkpoints.verification import OnProgress, content_fault, count_bytes, no_progress
from mlxbench.errors import CheckpointError, DoesNotFitError, HubError

# What loading reads. Data only: no *.py, and no *.bin or *.pt, which unpickling would execute.
NEEDED = ("*.json", SHARDS, "*.jinja", "*.txt", "tokenizer.model", "*.tiktoken")
WANTED = (*NEEDED, "README.md", "LICENSE", "LICENSE.md")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "*.jinja")
NESTED = "*/*"  # subdirectories hold other formats

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a repository, as a local directory."""

    repository: str
    commit: str
    directory: Path


def pull(
    repository: str, revision: str | None = None, on_progress: OnProgress = no_progress
) -> Snapshot:
    """Fetch and verify a checkpoint; under `HF_HUB_OFFLINE`, the one in the cache.

    `on_progress` gets (bytes done, bytes in all): first of what must be fetched, then of hashing.
    """
    if is_offline():
        snapshot = cached(repository, revision)
        if snapshot is None:
            raise not_cached(repository, revision)
        return snapshot
    commit, listed = describe(repository, revision)
    files = [file for file in listed if _is_wanted(file.name)]
    _refuse_without_weights(repository, files)
    _refuse_without_space(repository, commit, files)
    directory = _fetch(repository, revision or MAIN, commit, files, on_progress)
    _refuse_wrong_content(repository, directory, files, on_progress)
    _remove_leftovers(repository, files)
    save_manifest(repository, commit, files)
    inspect(directory, repository, "hub", repository, commit)
    return Snapshot(repository, commit, directory)


def cached(repository: str, revision: str | None = None) -> Snapshot | None:
    """The snapshot in the cache if all its weight files are there; never uses the network."""
    directory = find_cached(repository, revision, NEEDED, [NESTED])
    if directory is None:
        return None
    try:
        shard_names(directory)
    except CheckpointError:
        return None
    return Snapshot(repository, directory.name, directory)


def pull_tokenizer(repository: str, revision: str | None = None) -> Path:
    """A directory with the tokenizer of a checkpoint, fetched without the weights if need be."""
    directory = find_cached(repository, revision, TOKENIZER, [NESTED])
    if directory is not None and (directory / TOKENIZER[0]).is_file():
        return directory
    if is_offline():
        raise not_cached(repository, revision)
    return download(repository, revision or MAIN, TOKENIZER, [NESTED], lambda _: None)


def _fetch(
    repository: str,
    revision: str,
    commit: str,
    files: Sequence[ExpectedFile],
    on_progress: OnProgress,
) -> Path:
    """The small files by the name of the revision, so that the cache learns it; then the rest."""
    directory = download(repository, revision, WANTED, [NESTED, SHARDS], lambda _: None)
    if directory.name != commit:
        raise HubError(f"{repository}@{revision} moved while it was being fetched", RUN_AGAIN)
    read_config(directory)  # refuses code before any weights are fetched
    total = _bytes(_absent(repository, commit, files))
    download(
        repository, commit, WANTED, [NESTED], lambda done: on_progress(min(done, total), total)
    )
    return directory


def _refuse_without_weights(repository: str, files: Sequence[ExpectedFile]) -> None:
    if not any(fnmatchcase(file.name, SHARDS) for file in files):
        raise CheckpointError(
            f"{repository} has no {SHARDS}",
            "choose a repository with safetensors; pickled weights are never loaded",
        )


def _refuse_without_space(repository: str, commit: str, files: Sequence[ExpectedFile]) -> None:
    needed = _bytes(_absent(repository, commit, files))
    folder = cache_folder().resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DoesNotFitError(
            f"{repository} needs {needed / 1e9:.1f} GB and the disk of {folder} has"
            f" {free / 1e9:.1f} GB free",
            "free space, or set HF_HOME to a directory on a larger disk",
        )


def _refuse_wrong_content(
    repository: str, directory: Path, files: Sequence[ExpectedFile], on_progress: OnProgress
) -> None:
    on_bytes = count_bytes(files, on_progress)
    for file in files:
        try:
            fault = content_fault(directory, file, on_bytes)
        except OSError as error:
            raise HubError(
                f"cannot read {directory / file.name} ({error.strerror})", "check its permissions"
            ) from error
        if fault is not None:
            _remove_chain(directory / file.name)
            raise HubError(
                f"{file.name} of {repository} {fault}, and was removed",
                "run the same command again to fetch only that file",
            )


def _is_wanted(name: str) -> bool:
    wanted = any(fnmatchcase(name, pattern) for pattern in WANTED)
    return wanted and not fnmatchcase(name, NESTED)


def _absent(repository: str, commit: str, files: Sequence[ExpectedFile]) -> list[ExpectedFile]:
    folder = repository_folder(repository)
    return [
        file
        for file in files
        if not (folder / "snapshots" / commit / file.name).exists()
        and not (folder / "blobs" / _hexadecimal(file)).is_file()
    ]


def _bytes(files: Sequence[ExpectedFile]) -> int:
    return sum(file.size or 0 for file in files)


def _hexadecimal(file: ExpectedFile) -> str:
    """The name of a file's blob in the cache, or "" where the hub states no hash."""
    return (file.digest or "").partition(":")[2]


def _remove_chain(path: Path) -> None:
    """Remove a file of the cache: the snapshot's link, whatever it links to, and the content."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def _remove_leftovers(repository: str, files: Sequence[ExpectedFile]) -> None:
    """Remove what killed downloads of these very files left: complete now, they need it no more."""
    for file in files:
        if blob := _hexadecimal(file):
            for leftover in (repository_folder(repository) / "blobs").glob(f"{blob}.*incomplete"):
                leftover.unlink(missing_ok=True)
