"""The calls into huggingface_hub: quiet, with errors translated and progress by callback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from mlxbench.checkpoints.hashes import GIT_SHA1, SHA256
from mlxbench.checkpoints.hub_errors import hub_errors_translated
from mlxbench.checkpoints.manifest import ExpectedFile

# A process that ends inside a file fetches that file again: more at once means more fetched twice.
DOWNLOADS_AT_ONCE = 4
REPLY_TIMEOUT_S = 30.0


def describe(repository: str, revision: str | None) -> tuple[str, list[ExpectedFile]]:
    """The commit that `revision` is now, and every file of it."""
    from huggingface_hub import HfApi

    with _quiet(), hub_errors_translated(repository, revision):
        info = HfApi().model_info(
            repository, revision=revision, files_metadata=True, timeout=REPLY_TIMEOUT_S
        )
        if info.sha is None or info.siblings is None:
            raise ValueError("a model's description without commit or files")
        return info.sha, [_expected(sibling) for sibling in info.siblings]


def download(
    repository: str,
    revision: str,
    allow: Sequence[str],
    ignore: Sequence[str],
    on_bytes: Callable[[int], None],
) -> Path:
    """Fetch what the cache lacks and return the snapshot; `on_bytes` gets the bytes so far."""
    from huggingface_hub import snapshot_download

    with _quiet(), hub_errors_translated(repository, revision):
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(allow),
                ignore_patterns=list(ignore),
                max_workers=DOWNLOADS_AT_ONCE,
                tqdm_class=_byte_counter(on_bytes),
            )
        )


def find_cached(
    repository: str, revision: str | None, allow: Sequence[str], ignore: Sequence[str]
) -> Path | None:
    """The snapshot in the cache, unless the library knows that files are missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        with _quiet():
            return Path(
                snapshot_download(
                    repository,
                    revision=revision,
                    allow_patterns=list(allow),
                    ignore_patterns=list(ignore),
                    local_files_only=True,
                )
            )
    except LocalEntryNotFoundError:
        return None


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def cache_folder() -> Path:
    """Hugging Face's cache of repositories, as HF_HUB_CACHE and HF_HOME place it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """Where the cache keeps `repository`: `blobs/` by hash, `snapshots/` by commit, `refs/`."""
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def _expected(sibling: Any) -> ExpectedFile:
    """A file as the hub lists it: LFS files by sha256, the others by their git hash."""
    if sibling.lfs is not None:
        return ExpectedFile(sibling.rfilename, sibling.lfs.size, f"{SHA256}:{sibling.lfs.sha256}")
    digest = f"{GIT_SHA1}:{sibling.blob_id}" if sibling.blob_id else None
    return ExpectedFile(sibling.rfilename, sibling.size, digest)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's warnings off stderr: they quote addresses, and we report errors."""
    from huggingface_hub.utils import logging as library_logging

    before = library_logging.get_verbosity()
    library_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        library_logging.set_verbosity(before)


def _byte_counter(on_bytes: Callable[[int], None]) -> type[Any]:
    """A progress bar class that draws nothing and reports bytes.

    The library opens a bar of files and one or two of bytes (received, written); several threads
    update them. The further one counts.
    """
    from huggingface_hub.utils.tqdm import tqdm

    lock = Lock()
    furthest = 0

    class ByteCounter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            self.counts_bytes = options.get("unit") == "B"
            options["disable"] = True
            super().__init__(*args, **options)  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            if not self.counts_bytes:
                return
            with lock:
                self.n += n or 0
                furthest = max(furthest, int(self.n))
                on_bytes(furthest)

    return ByteCounter
