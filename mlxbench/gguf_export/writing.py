"""Writing the GGUF file so that whatever has its final name is complete.

The file is written under a partial name, synced and renamed. The partial file is locked while its
writer lives; so two exports to one place cannot mix, and one that was killed leaves a file that the
next overwrites. `gguf` writes the header; each tensor's content is then streamed through its
`tofile`, which is all that `GGUFWriter.write_tensor_data` asks of an array.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mlxbench.errors import DoesNotFitError, InputError, MlxbenchError
from mlxbench.gguf_export.conversion import OnRounding, pieces
from mlxbench.gguf_export.planning import Planned
from mlxbench.synthetic.files import sync, sync_directory

if TYPE_CHECKING:
    from gguf import GGUFWriter

PARTIAL = ".partial"
# The header takes some megabytes, and a disk filled to the brim harms more than this tool.
DISK_MARGIN_BYTES = 500_000_000
# A full disk, a used-up quota, a file system that cannot hold a file of this size.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Progress = Callable[[int, int], None]
Describe = Callable[["GGUFWriter"], None]


def write(
    path: Path,
    architecture: str,
    describe: Describe,
    planned: Sequence[Planned],
    on_rounding: OnRounding,
    on_progress: Progress | None = None,
) -> None:
    """Write the file with the keys that `describe` adds, and the planned tensors.

    Raises DoesNotFitError when the disk has no room, before or during the write, and InputError
    when the folder cannot be written.
    """
    partial = path.with_name(path.name + PARTIAL)
    needed = sum(one.n_bytes for one in planned)
    with reported(path, needed), _only_writer(partial):
        if shutil.disk_usage(path.parent).free < needed + DISK_MARGIN_BYTES:
            raise _no_room(path, needed)
        _write(partial, architecture, describe, planned, on_rounding, on_progress)
        partial.rename(path)
        sync_directory(path.parent)


@contextmanager
def reported(path: Path, needed: int) -> Iterator[None]:
    """Turn the system's refusals to write `path` into errors for people."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _no_room(path, needed, f": {error.strerror}") from error
        raise InputError(
            f"{path} cannot be written: {error.strerror}",
            "give a folder that can be with --output",
        ) from error


@contextmanager
def _only_writer(partial: Path) -> Iterator[None]:
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another export is writing {partial}", "wait for it, or give another --output"
            ) from error
        try:
            yield
        finally:
            partial.unlink(missing_ok=True)


def _write(
    partial: Path,
    architecture: str,
    describe: Describe,
    planned: Sequence[Planned],
    on_rounding: OnRounding,
    on_progress: Progress | None,
) -> None:
    from gguf import GGMLQuantizationType, GGUFWriter

    writer = GGUFWriter(partial, architecture)
    try:
        describe(writer)
        for one in planned:
            kind = GGMLQuantizationType[one.type]
            writer.add_tensor_info(one.name, one.shape, np.dtype("f4"), one.n_bytes, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        count = _counter(sum(one.n_bytes for one in planned), on_progress)
        for one in planned:
            writer.write_tensor_data(_Content(one, on_rounding, count).as_array())
        for file in writer.fout or ():
            sync(cast("BinaryIO", file))
    finally:
        writer.close()


def _counter(total: int, on_progress: Progress | None) -> Callable[[int], None]:
    """A function that adds bytes up and tells `on_progress`."""
    done = 0

    def count(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        if on_progress is not None:
            on_progress(done, total)

    return count


class _Content:
    """What GGUFWriter takes for an array: a size, and a way to write itself to a file."""

    def __init__(
        self, planned: Planned, on_rounding: OnRounding, count: Callable[[int], None]
    ) -> None:
        self.nbytes = planned.n_bytes
        self._planned, self._on_rounding, self._count = planned, on_rounding, count

    def as_array(self) -> NDArray[Any]:
        return cast("NDArray[Any]", self)

    def tofile(self, file: BinaryIO) -> None:
        written = 0
        for piece in pieces(self._planned, self._on_rounding):
            written += file.write(np.ascontiguousarray(piece).data)
            self._count(piece.nbytes)
        assert written == self.nbytes, f"{self._planned.name}: {written} of {self.nbytes} bytes"


def _no_room(path: Path, needed: int, cause: str = "") -> DoesNotFitError | MlxbenchError:
    free = shutil.disk_usage(path.parent).free
    return DoesNotFitError(
        f"{path.name} needs {(needed + DISK_MARGIN_BYTES) / 1e9:.1f} GB of disk "
        f"and {path.parent} has {free / 1e9:.1f} GB free{cause}",
        "free some space, or give a folder on a larger disk with --output",
    )
