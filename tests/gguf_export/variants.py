"""Checkpoints that real converters make and the synthetic ones do not, and a reader of GGUF."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from mlxbench import checkpoints
from mlxbench.records import Checkpoint
from mlxbench.synthetic.recipe import BITS

Array = NDArray[np.float32]


def checkpoint(directory: Path) -> Checkpoint:
    return checkpoints.inspect(directory, "some-model", "directory")


def edited(source: Path, target: Path, **changes: Any) -> Path:
    """A copy with other entries in config.json."""
    shutil.copytree(source, target)
    config = read_json(target / "config.json")
    (target / "config.json").write_text(json.dumps(config | changes))
    return target


def requantized(
    source: Path,
    target: Path,
    group_size: int = 64,
    dtype: mx.Dtype = mx.bfloat16,
    bits: Mapping[str, int] | None = None,
) -> Path:
    """A copy with normal weights quantised by MLX itself; `bits` by module, 4 for the others."""
    shutil.copytree(source, target)
    tensors = load(source)
    settings: dict[str, Any] = {"group_size": group_size, "bits": BITS}
    mx.random.seed(1)
    for module in [name.removesuffix(".scales") for name in tensors if name.endswith(".scales")]:
        module_bits = (bits or {}).get(module, 8 if module.endswith(".mlp.gate") else BITS)
        values = mx.random.normal(dequantized(source, module).shape) * 0.05
        parts = mx.quantize(values, group_size, module_bits)
        tensors[f"{module}.weight"] = parts[0]
        tensors[f"{module}.scales"] = parts[1].astype(dtype)
        tensors[f"{module}.biases"] = parts[2].astype(dtype)
        if module_bits != BITS:
            settings[module] = {"group_size": group_size, "bits": module_bits}
    return stored(target, tensors, quantization=settings)


def stored(directory: Path, tensors: Mapping[str, mx.array], **config: Any) -> Path:
    """Replace the weights of a checkpoint, and entries of its config.json."""
    for file in directory.glob("model*"):
        file.unlink()
    mx.save_safetensors(
        str(directory / "model.safetensors"), dict(tensors), metadata={"format": "mlx"}
    )
    whole = read_json(directory / "config.json") | config
    (directory / "config.json").write_text(json.dumps(whole))
    return directory


def load(directory: Path) -> dict[str, mx.array]:
    """The tensors of a checkpoint of one shard, as MLX reads them."""
    found = mx.load(str(directory / "model.safetensors"))
    assert isinstance(found, dict)
    return found


def dequantized(directory: Path, module: str) -> Array:
    """A module's values as MLX computes them with constants in f32, or its plain tensor."""
    tensors = load(directory)
    weight = tensors[f"{module}.weight"]
    if f"{module}.scales" not in tensors:
        return np.array(weight.astype(mx.float32))
    settings = read_json(directory / "config.json")["quantization"]
    own = settings.get(module, settings)
    scales, biases = (
        tensors[f"{module}.{part}"].astype(mx.float32) for part in ("scales", "biases")
    )
    return np.array(mx.dequantize(weight, scales, biases, own["group_size"], own["bits"]))


def gguf_values(path: str) -> dict[str, tuple[str, Array]]:
    """Type and values of every tensor, by the gguf package's own dequantiser."""
    reader = gguf.GGUFReader(path)
    return {
        tensor.name: (
            tensor.tensor_type.name,
            gguf.quants.dequantize(tensor.data, tensor.tensor_type),
        )
        for tensor in reader.tensors
    }


def gguf_keys(path: str) -> dict[str, Any]:
    """Every key with its value."""
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content
