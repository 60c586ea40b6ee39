"""Which GGUF tensors a checkpoint becomes, decided from headers before anything is written.

- a 4-bit matrix → Q4_1, code for code (`blocks`)
- a router → F32: llama.cpp then scores experts without rounding the activations to 8 bits, and
  MLX keeps routers at 8 bits, for which GGUF has no affine type
- a matrix at any other number of bits → F32 as well, since its values must not change; it is
  reported, because it is read at 32 bits per weight there and at fewer here
- an unquantised matrix → its own type
- a norm → F32, as every reader of GGUF expects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from mlxbench.checkpoints.weights import DEFAULT
from mlxbench.errors import CheckpointError
from mlxbench.gguf_export import names
from mlxbench.gguf_export.blocks import BLOCK, BLOCK_BYTES, GROUP_SIZES
from mlxbench.gguf_export.reading import Stored
from mlxbench.records import Shape

GgufType = Literal["Q4_1", "F32", "F16", "BF16"]
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
PACKED_BITS = 32
BITS = 4
ADVICE = "export an affine 4-bit Qwen-3 in mlx-lm's layout"


@dataclass(frozen=True, slots=True)
class Quantized:
    """The three tensors of a quantised matrix, and how they are packed."""

    weight: Stored
    scales: Stored
    biases: Stored
    bits: int
    group_size: int


@dataclass(frozen=True, slots=True)
class Planned:
    """One tensor of the GGUF file. `shape` counts parameters, rows first."""

    name: str
    type: GgufType
    shape: tuple[int, ...]
    source: Stored | Quantized
    router: bool = False

    @property
    def n_bytes(self) -> int:
        if self.type == "Q4_1":
            return prod(self.shape) // BLOCK * BLOCK_BYTES
        return prod(self.shape) * ITEM_BYTES[self.type]


def plan(
    shape: Shape, tensors: Mapping[str, Stored], quantization: Mapping[str, Any]
) -> list[Planned]:
    """Every tensor in the order of the file; CheckpointError for one missing or left over."""
    planned = [
        _planned(module, name, tensors, quantization) for module, name in names.modules(shape)
    ]
    _refuse_unknown(shape, tensors)
    if not any(one.type == "Q4_1" for one in planned):
        raise CheckpointError("no matrix of this checkpoint has 4 bits per weight", ADVICE)
    return planned


def _planned(
    module: str, name: str, tensors: Mapping[str, Stored], quantization: Mapping[str, Any]
) -> Planned:
    weight = _tensor(tensors, f"{module}.weight")
    router = module.endswith(f".{names.ROUTER}")
    if f"{module}.scales" not in tensors:
        return Planned(name, _plain_type(weight, router), weight.shape, weight, router)
    source = _quantized(module, weight, tensors, quantization)
    inputs = weight.shape[-1] * PACKED_BITS // source.bits
    kind: GgufType = "Q4_1" if source.bits == BITS and not router else "F32"
    return Planned(name, kind, (*weight.shape[:-1], inputs), source, router)


def _plain_type(weight: Stored, router: bool) -> GgufType:
    if len(weight.shape) == 1 or router or weight.dtype == "F32":
        return "F32"
    if weight.dtype == "BF16":
        return "BF16"
    return "F16"


def _quantized(
    module: str, weight: Stored, tensors: Mapping[str, Stored], quantization: Mapping[str, Any]
) -> Quantized:
    scales = _tensor(tensors, f"{module}.scales")
    default, own = quantization.get(DEFAULT, {}), quantization.get(module)
    settings = {**default, **own} if isinstance(own, dict) else default
    bits, group_size = settings.get("bits"), settings.get("group_size")
    mode = settings.get("mode", "affine")
    if mode != "affine":
        raise CheckpointError(f"{module} is quantised in mode {mode!r}, not affine", ADVICE)
    if type(bits) is not int or bits < 1 or group_size not in GROUP_SIZES:
        raise CheckpointError(
            f"{module} has {bits!r} bits in groups of {group_size!r} by config.json", ADVICE
        )
    biases = _tensor(tensors, f"{module}.biases")
    groups = (*weight.shape[:-1], weight.shape[-1] * PACKED_BITS // (bits * group_size))
    if weight.dtype != "U32" or not scales.shape == biases.shape == groups:
        raise CheckpointError(
            f"{module} is not packed as config.json says ({bits} bits, groups of {group_size})",
            "pull the checkpoint again",
        )
    return Quantized(weight, scales, biases, bits, group_size)


def _tensor(tensors: Mapping[str, Stored], name: str) -> Stored:
    found = tensors.get(name)
    if found is None:
        raise CheckpointError(f"the checkpoint lacks the tensor {name!r}", ADVICE)
    if found.dtype not in ("U32", "BF16", "F16", "F32"):
        raise CheckpointError(f"tensor {name!r} has the type {found.dtype}", ADVICE)
    return found


def _refuse_unknown(shape: Shape, tensors: Mapping[str, Stored]) -> None:
    """A tensor without a place in the GGUF would make another model. mlx-lm drops a tied head."""
    known = {module for module, _ in names.modules(shape)} | {names.HEAD}
    for name in tensors:
        module, _, leaf = name.rpartition(".")
        if module not in known or leaf not in ("weight", "scales", "biases"):
            raise CheckpointError(f"tensor {name!r} is none of a plain Qwen-3", ADVICE)
