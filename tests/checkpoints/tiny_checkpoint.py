"""A checkpoint of a few bytes: right in every rule, though too small for any engine to load."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

BYTES = {"U32": 4, "BF16": 2, "F32": 4, "U8": 1}

# Two quantised modules (4 bits, and 8 bits by a setting of their own) and one plain tensor.
TENSORS = {
    "model.a.weight": ("U32", [8, 8]),  # 8 × 64 parameters of 4 bits
    "model.a.scales": ("BF16", [8, 1]),
    "model.a.biases": ("BF16", [8, 1]),
    "model.gate.weight": ("U32", [2, 16]),  # 2 × 64 parameters of 8 bits
    "model.gate.scales": ("BF16", [2, 1]),
    "model.gate.biases": ("BF16", [2, 1]),
    "model.norm.weight": ("BF16", [64]),
}
CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "quantization": {
        "group_size": 64,
        "bits": 4,
        "model.gate": {"group_size": 64, "bits": 8},
    },
}
SHARD_1 = "model-00001-of-00002.safetensors"
SHARD_2 = "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def safetensors(tensors: Mapping[str, tuple[str, list[int]]], fill: int = 7) -> bytes:
    """A sound safetensors file of these types and shapes."""
    entries: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + prod(shape) * BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    return raw_safetensors(json.dumps(entries).encode(), bytes([fill]) * position)


def raw_safetensors(header: bytes, data: bytes = b"") -> bytes:
    """A file with whatever header and data."""
    return struct.pack("<Q", len(header)) + header + data


def sharded_files() -> dict[str, bytes]:
    """The checkpoint in two shards with an index, and the small files around it."""
    first = {name: TENSORS[name] for name in TENSORS if name.startswith("model.a.")}
    second = {name: TENSORS[name] for name in TENSORS if name not in first}
    weight_map = dict.fromkeys(first, SHARD_1) | dict.fromkeys(second, SHARD_2)
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer_config.json": b'{"model_max_length": 40960}',
        "tokenizer.json": b'{"version": "1.0"}',
        INDEX: json.dumps({"weight_map": weight_map}).encode(),
        SHARD_1: safetensors(first),
        SHARD_2: safetensors(second),
    }


def single_files() -> dict[str, bytes]:
    """The checkpoint in one file without an index."""
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": safetensors(TENSORS),
    }


def write_files(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Put `files` into `directory` and return it."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory
