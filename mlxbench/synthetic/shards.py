"""Streaming tensors into safetensors files of at most 4 GiB.

A safetensors file is the header's length (8 bytes, little-endian), the header (JSON: type, shape
and byte span of each tensor) and the tensors end to end. All spans are known beforehand, so values
are made a few MiB at a time and memory stays flat. Random bits are the raw output of SFC64, which
numpy promises not to change; MLX runs on little-endian machines only, and all write the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlxbench.synthetic.files import sync, write_json
from mlxbench.synthetic.layout import ITEM_BYTES, Tensor

MAX_SHARD_BYTES = 4 << 30
CHUNK_BYTES = 8 << 20  # a multiple of 8, so that the size of a chunk does not decide the content
LENGTH_BYTES = 8  # of the header's length; headers are padded to a multiple of it
ENTRY_BYTES = 160  # more than a header entry takes besides its name
INDEX_FILE = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """One safetensors file: its name, its padded header and its tensors in order."""

    file: str
    header: bytes
    tensors: tuple[Tensor, ...]

    @property
    def n_bytes(self) -> int:
        """The size of the whole file."""
        return LENGTH_BYTES + len(self.header) + sum(tensor.n_bytes for tensor in self.tensors)


def plan(tensors: Iterable[Tensor]) -> list[Shard]:
    """Files of at most `MAX_SHARD_BYTES` each, unless a single tensor is larger."""
    groups: list[list[Tensor]] = [[]]
    used = 0
    for tensor in tensors:
        cost = tensor.n_bytes + len(tensor.name) + ENTRY_BYTES
        if groups[-1] and used + cost > MAX_SHARD_BYTES:
            groups.append([])
            used = 0
        groups[-1].append(tensor)
        used += cost
    return [
        Shard(_file_name(number, len(groups)), _header(group), tuple(group))
        for number, group in enumerate(groups, start=1)
    ]


def write_shards(
    directory: Path, shards: list[Shard], seed: int, on_bytes: Callable[[int], None]
) -> None:
    """Write and sync every file and the index; `on_bytes` gets the bytes written so far."""
    source = np.random.SFC64(seed)
    written = 0
    for shard in shards:
        with (directory / shard.file).open("wb") as file:
            written += file.write(len(shard.header).to_bytes(LENGTH_BYTES, "little"))
            written += file.write(shard.header)
            for tensor in shard.tensors:
                for values in _contents(tensor, source):
                    written += file.write(values.data)
                    on_bytes(written)
            sync(file)
    write_json(directory / INDEX_FILE, _index(shards))


def _file_name(number: int, total: int) -> str:
    return "model.safetensors" if total == 1 else f"model-{number:05d}-of-{total:05d}.safetensors"


def _header(tensors: list[Tensor]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    start = 0
    for tensor in tensors:
        end = start + tensor.n_bytes
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % LENGTH_BYTES)


def _index(shards: list[Shard]) -> dict[str, Any]:
    files = {tensor.name: shard.file for shard in shards for tensor in shard.tensors}
    total = sum(tensor.n_bytes for shard in shards for tensor in shard.tensors)
    return {"metadata": {"total_size": total}, "weight_map": files}


def _contents(tensor: Tensor, source: np.random.SFC64) -> Iterable[NDArray[np.uint8]]:
    """A tensor as it is stored, in pieces; one with rows of zeros in a single one."""
    if not tensor.zero_rows:
        return (_values(tensor, chunk, source) for chunk in _chunks(tensor.n_bytes))
    whole = _values(tensor, tensor.n_bytes, source)
    rows = whole.reshape(tensor.shape[0], -1)
    for span in tensor.zero_rows:
        rows[span.start : span.stop] = 0
    return (whole,)


def _chunks(n_bytes: int) -> Iterable[int]:
    """Sizes of at most `CHUNK_BYTES` that add up to `n_bytes`."""
    return (min(CHUNK_BYTES, n_bytes - start) for start in range(0, n_bytes, CHUNK_BYTES))


def _values(tensor: Tensor, n_bytes: int, source: np.random.SFC64) -> NDArray[np.uint8]:
    """The next `n_bytes` of a tensor as they are stored."""
    if tensor.fill == "bits":
        words = np.asarray(source.random_raw(-(-n_bytes // 8)))
        return words.view(np.uint8)[:n_bytes]
    count = n_bytes // ITEM_BYTES[tensor.dtype]
    if tensor.fill == "signs":
        coins = np.asarray(source.random_raw(count)) & 1
        values = np.where(coins, np.float32(tensor.size), np.float32(-tensor.size))
    else:
        values = np.full(count, tensor.fill, np.float32)
    if tensor.dtype == "F32":
        return values.view(np.uint8)
    # bf16 is the upper half of an f32; every value written here is exact in it (see `layout`).
    return values.view(np.uint16)[1::2].copy().view(np.uint8)
