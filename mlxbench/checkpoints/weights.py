"""What a checkpoint's tensors say about its size, by arithmetic on headers.

mlx packs a quantised module `X` into `X.weight` (U32, 32/bits parameters per element), `X.scales`
and, for affine quantisation, `X.biases`. Bits per weight counts all bytes, scales included, over
the parameters they stand for: affine 4-bit in groups of 64 with 16-bit scales and biases is 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from mlxbench.checkpoints.headers import Tensor
from mlxbench.checkpoints.jsonfile import DOWNLOAD_AGAIN
from mlxbench.errors import CheckpointError

DEFAULT = ""  # the key of the settings that hold for every module not named
SETTING_NAMES = ("bits", "group_size", "mode")

# The packing of quantised weights, and the tensors that belong to them and are no parameters.
PACKED_DTYPE = "U32"
PACKED_BITS = 32
HELPERS = ("scales", "biases")


def quantization_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Module path → settings: the default under "", and only those paths that differ from it."""
    raw = config.get("quantization")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise CheckpointError("config.json has a 'quantization' that is no object", DOWNLOAD_AGAIN)
    default = {name: raw[name] for name in SETTING_NAMES if name in raw}
    modules = {
        path: settings
        for path, settings in raw.items()
        if isinstance(settings, dict | bool) and settings not in (default, True)
    }
    return {DEFAULT: default, **modules}


def weight_bytes(tensors: Mapping[str, Tensor]) -> int:
    """The sum of all tensor spans."""
    return sum(tensor.end - tensor.begin for tensor in tensors.values())


def bits_per_weight(tensors: Mapping[str, Tensor], quantization: Mapping[str, Any]) -> float | None:
    """All bits over all parameters; None where a packed tensor's parameters cannot be told."""
    parameters = 0
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        if leaf in HELPERS and f"{module}.scales" in tensors:
            continue
        count = prod(tensor.shape)
        if leaf == "weight" and tensor.dtype == PACKED_DTYPE and f"{module}.scales" in tensors:
            packed = _unpacked(tensor, tensors[f"{module}.scales"], _settings(module, quantization))
            if packed is None:
                return None
            count = packed
        parameters += count
    return weight_bytes(tensors) * 8 / parameters if parameters else None


def _settings(module: str, quantization: Mapping[str, Any]) -> Mapping[str, Any]:
    default: Mapping[str, Any] = quantization.get(DEFAULT, {})
    own = quantization.get(module)
    return {**default, **own} if isinstance(own, dict) else default


def _unpacked(weight: Tensor, scales: Tensor, settings: Mapping[str, Any]) -> int | None:
    """Parameters in a packed weight; None where the scales contradict the settings.

    mlx-lm then finds the true bits from the model's own shapes, which a header does not hold.
    """
    bits, group_size = settings.get("bits"), settings.get("group_size")
    if type(bits) is not int or type(group_size) is not int or bits <= 0:
        return None
    if not weight.shape or not scales.shape:
        return None
    if weight.shape[-1] * PACKED_BITS != scales.shape[-1] * group_size * bits:
        return None
    return prod(weight.shape) * PACKED_BITS // bits
