"""Does a checkpoint on disk still hold what the hub says it holds?

`verify` looks further than `inspect`: it never stops at the first fault, and it compares sizes and
hashes with the manifest kept at pull. Without a manifest (a directory of your own, a snapshot that
another tool fetched) only headers and the index can be checked, and the findings say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxbench.checkpoints.hashes import OnBytes, file_digest
from mlxbench.checkpoints.headers import read_header
from mlxbench.checkpoints.inspection import inspect
from mlxbench.checkpoints.manifest import ExpectedFile
from mlxbench.checkpoints.shards import SHARDS
from mlxbench.errors import CheckpointError

WHOLE = "checkpoint"  # the `file` of the finding about all files together

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One file (or `checkpoint`, all of them together): is it sound, and what was looked at."""

    file: str
    ok: bool
    detail: str


def no_progress(_done: int, _total: int) -> None:
    """For callers that show nothing."""


def verify(
    directory: Path,
    expected: Sequence[ExpectedFile] | None = None,
    on_progress: OnProgress = no_progress,
) -> list[Finding]:
    """Check each file by size, hash and header, then all together; changes nothing on disk.

    `on_progress` gets the bytes hashed so far and in all.
    """
    files = {file.name: file for file in expected or ()}
    for path in directory.glob(SHARDS):
        files.setdefault(path.name, ExpectedFile(path.name, None, None))
    on_bytes = count_bytes(files.values(), on_progress)
    findings = [_check_file(directory, file, on_bytes) for _, file in sorted(files.items())]
    return [*findings, _check_whole(directory)]


def content_fault(directory: Path, file: ExpectedFile, on_bytes: OnBytes) -> str | None:
    """How `file` on disk differs from what the hub states, or None; OSError if unreadable."""
    path = directory / file.name
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size} bytes where the hub states {file.size}"
    if file.digest is not None:
        actual = file_digest(path, file.digest.partition(":")[0], on_bytes)
        if actual != file.digest:
            return f"has {actual} where the hub states {file.digest}"
    return None


def count_bytes(files: Iterable[ExpectedFile], on_progress: OnProgress) -> OnBytes:
    """Turn "n more bytes" into "so many of so many"."""
    total = sum(file.size or 0 for file in files if file.digest is not None)
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, total)

    return on_bytes


def _check_file(directory: Path, file: ExpectedFile, on_bytes: OnBytes) -> Finding:
    try:
        fault = content_fault(directory, file, on_bytes)
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    if fault is not None:
        return Finding(file.name, False, fault)
    checked = ["size"] if file.size is not None else []
    if file.digest is not None:
        checked.append(file.digest.partition(":")[0])
    if Path(file.name).match(SHARDS):
        try:
            read_header(directory / file.name)
        except CheckpointError as error:
            return Finding(file.name, False, error.problem)
        checked.append("header")
    return Finding(file.name, True, f"{', '.join(checked)} as expected")


def _check_whole(directory: Path) -> Finding:
    try:
        inspect(directory, directory.name, "directory")
    except CheckpointError as error:
        return Finding(WHOLE, False, error.problem)
    return Finding(WHOLE, True, "configuration, index and weight files belong together")
