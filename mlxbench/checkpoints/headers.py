"""The check of a safetensors header that runs before MLX sees the file.

A safetensors file is an 8-byte little-endian length N, N bytes of JSON, and the tensors' bytes. The
JSON maps each tensor's name to its `dtype`, `shape` and `data_offsets` [begin, end), counted from
the end of the JSON; `__metadata__` maps strings to strings.

MLX 0.32.4 loads files whose tensors overlap or that carry trailing bytes, and then computes with
whatever it read. This check refuses everything that is not exactly right: the tensors, sorted by
offset, must fill the data area from its first byte to its last. It reads the header only, so a
132 GB checkpoint takes as long as its few MB of headers. It cannot see a flipped bit *inside* a
tensor: that is what the hashes of `models verify` are for.

Traps: JSON `true` is an `int` in Python; `-0` and `1.0` equal integers but are none; escapes can
spell a lone surrogate, which no UTF-8 file can name; a shape can multiply to any size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mlxbench.checkpoints.jsonfile import DOWNLOAD_AGAIN
from mlxbench.errors import CheckpointError

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library itself
MAX_SIZE = 2**64 - 1  # sizes and offsets are unsigned 64-bit integers
METADATA = "__metadata__"
FIELDS = {"dtype", "shape", "data_offsets"}

# Bits per element, as of safetensors 0.8; elements under 8 bits must still fill whole bytes.
DTYPE_BITS = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("BOOL", "U8", "I8"), 8),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's place in the data area: bytes [begin, end)."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A sound header; `digest` is the SHA-256 of its JSON bytes, `file_bytes` the whole size."""

    tensors: Mapping[str, Tensor]
    digest: str
    file_bytes: int


def read_header(path: Path) -> Header:
    """Read and check the header of `path`; CheckpointError names the file and the fault."""
    try:
        if not path.is_file():
            raise CheckpointError(f"{path} is not a file", DOWNLOAD_AGAIN)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            raw = _header_bytes(file, size)
        tensors = parse_header(raw, size - LENGTH_BYTES - len(raw))
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror})", DOWNLOAD_AGAIN) from error
    except RecursionError as error:
        raise CheckpointError(
            f"{path} is corrupt: header nested too deep", DOWNLOAD_AGAIN
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is corrupt: {error}", DOWNLOAD_AGAIN) from error
    return Header(tensors, hashlib.sha256(raw).hexdigest(), size)


def parse_header(raw: bytes, data_bytes: int) -> dict[str, Tensor]:
    """The tensors that the JSON `raw` describes; ValueError with the fault, in one short line."""
    if not raw.startswith(b"{"):
        raise ValueError("header does not start with '{'")
    entries = json.loads(
        raw.decode("utf-8"),
        object_pairs_hook=_without_duplicates,
        parse_int=_size,
        parse_float=_no_number,
        parse_constant=_no_number,
    )
    if METADATA in entries:
        _check_metadata(entries.pop(METADATA))
    tensors = {name: _tensor(name, entry) for name, entry in entries.items()}
    _check_layout(tensors, data_bytes)
    return tensors


def _header_bytes(file: BinaryIO, size: int) -> bytes:
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if size < LENGTH_BYTES:
        raise ValueError(f"{size} bytes are too few for a header")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"header length {length} exceeds {MAX_HEADER_BYTES}")
    if length > size - LENGTH_BYTES:
        raise ValueError(f"header length {length} exceeds the file's {size} bytes")
    raw = file.read(length)
    if len(raw) != length:
        raise ValueError("the file became shorter while it was read")
    return raw


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {_shown(key)} appears twice")
        found[key] = value
    return found


def _size(digits: str) -> int:
    # Length first: Python itself refuses to convert thousands of digits.
    if digits.startswith("-") or len(digits) > len(str(MAX_SIZE)) or int(digits) > MAX_SIZE:
        raise ValueError(f"number {_shown(digits)} is not a size")
    return int(digits)


def _no_number(digits: str) -> None:
    raise ValueError(f"number {_shown(digits)} is not a size")


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise ValueError(f"{METADATA} is not an object")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise ValueError(f"{METADATA} entry {_shown(key)} is not a string")
        _check_text(key)
        _check_text(value)


def _tensor(name: str, entry: Any) -> Tensor:
    _check_text(name)
    if not isinstance(entry, dict) or set(entry) != FIELDS:
        raise ValueError(f"tensor {_shown(name)} must have exactly {', '.join(sorted(FIELDS))}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise ValueError(f"tensor {_shown(name)} has unknown dtype {_shown(dtype)}")
    if not _are_sizes(shape):
        raise ValueError(f"tensor {_shown(name)} has a shape that is not a list of sizes")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"tensor {_shown(name)} has offsets that are not [begin, end]")
    tensor = Tensor(dtype, tuple(shape), *offsets)
    if tensor.end - tensor.begin != _span(name, tensor):
        raise ValueError(f"tensor {_shown(name)} has a span that differs from shape × dtype")
    return tensor


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def _span(name: str, tensor: Tensor) -> int:
    """Bytes of shape × dtype; ValueError where the product leaves 64 bits or whole bytes."""
    bits = DTYPE_BITS[tensor.dtype]
    for size in tensor.shape:
        bits *= size
        if bits > MAX_SIZE:
            raise ValueError(f"tensor {_shown(name)} has a shape that overflows 64 bits")
    if bits % 8:
        raise ValueError(f"tensor {_shown(name)} does not fill whole bytes")
    return bits // 8


def _check_layout(tensors: Mapping[str, Tensor], data_bytes: int) -> None:
    filled = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin < filled:
            raise ValueError(f"tensor {_shown(name)} overlaps the one before it")
        if tensor.begin > filled:
            raise ValueError(f"{tensor.begin - filled} unused bytes before tensor {_shown(name)}")
        filled = tensor.end
    if filled > data_bytes:
        raise ValueError(f"cut short: tensors need {filled} bytes of data, there are {data_bytes}")
    if filled < data_bytes:
        raise ValueError(f"{data_bytes - filled} trailing bytes after the last tensor")


def _check_text(text: str) -> None:
    text.encode("utf-8")  # UnicodeEncodeError, a ValueError, on a lone surrogate


def _shown(value: Any) -> str:
    text = ascii(value)  # no control character and no line break reaches a message
    return text if len(text) <= 80 else text[:77] + "..."
