"""What the hub says a snapshot consists of: each file's size and hash.

It is kept at pull, so that `models verify` needs no network. The hub states the SHA-256 of files
that it stores as large files, and git's own hash (SHA-1 over a short prefix and the content) of the
others; a digest is written as `sha256:…` or `git-sha1:…`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlxbench.checkpoints.jsonfile import read_object, write_object
from mlxbench.errors import CheckpointError, InputError
from mlxbench.paths import HOME_VARIABLE, cache_directory


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """One file of a snapshot as the hub describes it; unknown is None."""

    name: str
    size: int | None
    digest: str | None


def save_manifest(repository: str, commit: str, files: Sequence[ExpectedFile]) -> None:
    """Remember what `commit` of `repository` consists of; InputError if that cannot be written."""
    try:
        write_object(_path(repository, commit), {"files": [asdict(file) for file in files]})
    except OSError as error:
        raise InputError(
            f"cannot write to mlxbench's cache {cache_directory()} ({error.strerror})",
            f"check its permissions and free space, or set {HOME_VARIABLE}",
        ) from error


def load_manifest(repository: str, commit: str) -> tuple[ExpectedFile, ...] | None:
    """What was remembered at pull, or None: never pulled by us, or unreadable."""
    try:
        files = read_object(_path(repository, commit))["files"]
        return tuple(ExpectedFile(**file) for file in files)
    except (CheckpointError, KeyError, TypeError):
        return None


def _path(repository: str, commit: str) -> Path:
    return cache_directory() / "manifests" / repository.replace("/", "--") / f"{commit}.json"
