"""Stand-ins for what is one kernel on a GPU and falls to pieces on a CPU, for one trace.

The functions of `mx.fast` and `mx.dequantize` choose between a primitive of their own and a graph
of simple ones by the device, at the moment of the call. On a machine without Metal the primitive
can therefore not be had; a stand-in counts the kernels that it would launch, and returns values of
the right shape and type that depend on the inputs by nothing but views. What they compute is
nonsense: the graph is counted, never evaluated.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mlx.core as mx

ATTENTION = "ScaledDotProductAttention"
# `has_fused_kernel` in Metal's scaled_dot_product_attention.cpp, for one query.
ATTENTION_HEAD_DIMS = (64, 96, 128, 256)
MOST_HEADS_PER_KEY = 32
LARGE_CHIPS = ("s", "d")  # the last letter of Metal's name of the architecture: Max and Ultra
TWO_PASSES_FROM, TWO_PASSES_FROM_ELSEWHERE = 1024, 4096


@contextlib.contextmanager
def stand_ins(calls: Counter[str]) -> Iterator[None]:
    """Within the block, functions that are single kernels on a GPU count into `calls` instead."""
    own: list[tuple[Any, str, Callable[..., mx.array]]] = [
        (mx.fast, "rms_norm", _counts_one("RMSNorm", calls)),
        (mx.fast, "layer_norm", _counts_one("LayerNorm", calls)),
        (mx.fast, "rope", _rope(calls)),
        (mx.fast, "scaled_dot_product_attention", _attention(calls)),
        (mx, "dequantize", _dequantize(calls)),
    ]
    kept = [(place, name, getattr(place, name)) for place, name, _ in own]
    try:
        for place, name, function in own:
            setattr(place, name, function)
        yield
    finally:
        for place, name, function in kept:
            setattr(place, name, function)


def _counts_one(label: str, calls: Counter[str]) -> Callable[..., mx.array]:
    """A stand-in for a function that keeps the shape of its first argument."""

    def stand_in(x: mx.array, *others: Any, **_: Any) -> mx.array:
        calls[label] += 1
        arrays = [x, *(one for one in others if isinstance(one, mx.array))]
        dtype = x.dtype
        for one in arrays[1:]:
            dtype = mx.result_type(mx.array(0, dtype), mx.array(0, one.dtype))
        return _instead(x.shape, dtype, arrays)

    return stand_in


def _rope(calls: Counter[str]) -> Callable[..., mx.array]:
    """One kernel, and a copy before it where only some dimensions are turned."""

    def stand_in(x: mx.array, dims: int, **_: Any) -> mx.array:
        calls["RoPE"] += 1 if dims >= x.shape[-1] else 2
        return _instead(x.shape, x.dtype, [x])

    return stand_in


def _attention(calls: Counter[str]) -> Callable[..., mx.array]:
    original = mx.fast.scaled_dot_product_attention

    def stand_in(q: mx.array, k: mx.array, v: mx.array, **settings: Any) -> mx.array:
        shared = q.shape[1] // k.shape[1]
        width = v.shape[-1]
        if not (q.shape[-1] == width in ATTENTION_HEAD_DIMS and shared <= MOST_HEADS_PER_KEY):
            return original(q, k, v, **settings)
        calls[ATTENTION] += attention_kernels(k.shape[2], shared)
        return _instead((*q.shape[:-1], width), q.dtype, [q, k, v])

    return stand_in


def attention_kernels(context: int, heads_per_key: int) -> int:
    """Attention's kernels for one query over `context` keys."""
    if context >= TWO_PASSES_FROM and _large_chip():
        return 2
    return 2 if context >= TWO_PASSES_FROM_ELSEWHERE and heads_per_key > 1 else 1


def _large_chip() -> bool:
    """Whether Metal's device is a Max or Ultra; without Metal, the count is for one of those."""
    architecture = mx.device_info().get("architecture")
    known = mx.metal.is_available() and isinstance(architecture, str)
    return not known or str(architecture).endswith(LARGE_CHIPS)


def _dequantize(calls: Counter[str]) -> Callable[..., mx.array]:
    def stand_in(
        w: mx.array, /, scales: mx.array, biases: mx.array | None = None, *_: Any, **settings: Any
    ) -> mx.array:
        calls["Dequantize"] += 1
        shape = (*w.shape[:-1], w.shape[-1] * 32 // settings.get("bits", 4))
        dtype = scales.dtype if mx.issubdtype(scales.dtype, mx.floating) else mx.bfloat16
        return _instead(shape, dtype, [w, scales, *([] if biases is None else [biases])])

    return stand_in


def _instead(shape: Sequence[int], dtype: mx.Dtype, inputs: Sequence[mx.array]) -> mx.array:
    """Values that depend on `inputs` in the graph, by nothing but views."""
    made = mx.broadcast_to(mx.array(0, dtype), shape)
    depending: list[mx.array] = mx.depends([made], list(inputs))
    return depending[0]
