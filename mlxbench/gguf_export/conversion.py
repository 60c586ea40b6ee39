"""The bytes of a planned tensor, a few megabytes at a time: memory does not grow with the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

from mlxbench.errors import CheckpointError
from mlxbench.gguf_export.blocks import Rounding, as_float32, pack
from mlxbench.gguf_export.planning import Planned, Quantized
from mlxbench.gguf_export.reading import NUMPY_TYPES, Stored

CHUNK_WEIGHTS = 8 << 20

OnRounding = Callable[[Rounding], None]


def pieces(planned: Planned, on_rounding: OnRounding) -> Iterator[NDArray[np.generic]]:
    """The tensor's content in order; `on_rounding` hears of constants that f16 cannot hold."""
    source = planned.source
    if isinstance(source, Stored):
        return _plain(source, planned.type == "F32")
    if planned.type == "F32":
        return _widened(source)
    return _repacked(source, on_rounding)


def _plain(source: Stored, widen: bool) -> Iterator[NDArray[np.generic]]:
    kind = np.dtype(NUMPY_TYPES[source.dtype])
    for first, count in _spans(source.n_bytes // kind.itemsize, CHUNK_WEIGHTS):
        raw = source.read(first, count)
        yield as_float32(raw, source.dtype) if widen else raw


def _repacked(source: Quantized, on_rounding: OnRounding) -> Iterator[NDArray[np.generic]]:
    """Groups lie end to end in all three tensors, so rows and experts need no attention."""
    group_bytes = source.group_size // 2
    for first, count in _spans(prod(source.scales.shape), CHUNK_WEIGHTS // source.group_size):
        codes = source.weight.read(first * group_bytes, count * group_bytes, "u1")
        blocks, rounding = pack(
            codes.view(np.uint8),
            as_float32(source.scales.read(first, count), source.scales.dtype),
            as_float32(source.biases.read(first, count), source.biases.dtype),
            source.group_size,
        )
        if np.isinf(rounding.largest_error):
            raise CheckpointError(
                f"{source.scales.name} or its biases hold a value beyond the range of f16",
                "GGUF's Q4_1 cannot hold this checkpoint",
            )
        on_rounding(rounding)
        yield blocks


def _widened(source: Quantized) -> Iterator[NDArray[np.generic]]:
    """The values that MLX itself gives for these codes, with constants and sums in f32."""
    import mlx.core as mx

    packed, groups = source.weight.shape[-1], source.scales.shape[-1]
    rows = max(1, CHUNK_WEIGHTS // (groups * source.group_size))
    for first, count in _spans(prod(source.weight.shape[:-1]), rows):
        scales, biases = (
            mx.array(
                as_float32(one.read(first * groups, count * groups), one.dtype).reshape(count, -1)
            )
            for one in (source.scales, source.biases)
        )
        codes = mx.array(source.weight.read(first * packed, count * packed).reshape(count, -1))
        values = mx.dequantize(codes, scales, biases, source.group_size, source.bits, stream=mx.cpu)
        yield np.array(values)


def _spans(total: int, size: int) -> Iterator[tuple[int, int]]:
    """First and count of spans of at most `size` that cover `total` items."""
    return ((first, min(size, total - first)) for first in range(0, total, size))
