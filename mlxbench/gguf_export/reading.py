"""Tensors of a checkpoint, read a piece at a time.

The headers were checked before (see `checkpoints.headers`): every tensor lies within its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlxbench.checkpoints.jsonfile import DOWNLOAD_AGAIN
from mlxbench.checkpoints.shards import read_shards
from mlxbench.errors import CheckpointError

# numpy has no bf16: its bits are read as integers.
NUMPY_TYPES = {"U32": "<u4", "BF16": "<u2", "F16": "<f2", "F32": "<f4"}


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a safetensors file; `offset` and `n_bytes` are in bytes of the file."""

    name: str
    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int

    def read(self, first: int, count: int, dtype: str | None = None) -> NDArray[np.generic]:
        """`count` items from the item `first` on, flat; `dtype` reads the bytes as another type."""
        kind = np.dtype(dtype or NUMPY_TYPES[self.dtype])
        try:
            found = np.fromfile(self.path, kind, count, offset=self.offset + first * kind.itemsize)
        except OSError as error:
            raise CheckpointError(
                f"cannot read {self.path} ({error.strerror})", DOWNLOAD_AGAIN
            ) from error
        if len(found) != count:
            raise CheckpointError(f"{self.path} became shorter while it was read", DOWNLOAD_AGAIN)
        return found


def stored_tensors(directory: Path) -> Mapping[str, Stored]:
    """Every tensor of the checkpoint by name. Raises CheckpointError."""
    found = {}
    for file, header in read_shards(directory).items():
        data = header.file_bytes - max((t.end for t in header.tensors.values()), default=0)
        for name, t in header.tensors.items():
            found[name] = Stored(
                name, directory / file, t.dtype, t.shape, data + t.begin, t.end - t.begin
            )
    return found
