"""What experiments take away from a model, or put in the place of a fast operation.

**Attention spelt out**: in decode steps, the plain operations that `mx.fast` fuses into one kernel:
scores, softmax, weighted values. Prompts still go through the fused one, since the scores of a long
prompt would not fit into memory; the comparison is about decoding. On the CPU mlx itself spells
attention out, so there the two differ in nothing but their Python.

Trap: attention with a mask, with sinks or over quantised keys is not what is spelt out here. In a
decode step such a call is refused: were it handed on, two equal arms would be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import mlx.core as mx

from mlxbench.engines.mlx.kernels import Installer
from mlxbench.errors import InputError

MANUAL_ATTENTION = "manual-attention"
FUNCTION = "scaled_dot_product_attention"  # as mlx-lm's model modules import it


def installers() -> dict[str, Installer]:
    """By the names that options give them."""
    return {MANUAL_ATTENTION: manual_attention}


def fuses_attention() -> bool:
    """Whether mlx has a kernel for attention on the device that computes."""
    return mx.default_device() != mx.Device(mx.cpu)


@contextmanager
def manual_attention(model: Any) -> Iterator[None]:
    """Spell attention out in the decode steps of `model`'s family until the block ends.

    Raises InputError for a family whose modules do not call mlx-lm's own function.
    """
    fused = {module: getattr(module, FUNCTION) for module in _attending(model)}
    for module, function in fused.items():
        setattr(module, FUNCTION, _spelt_out(function))
    try:
        yield
    finally:
        for module, function in fused.items():
            setattr(module, FUNCTION, function)


def attend(queries: mx.array, keys: mx.array, values: mx.array, scale: float) -> mx.array:
    """Attention of one new token: q [B, H, 1, D], keys and values [B, G, T, D] → [B, H, 1, D].

    The H query heads share G key heads; nothing is masked, for all T positions lie in the past.
    """
    batch, heads, length, size = queries.shape
    groups = keys.shape[1]
    shared = (queries * scale).reshape(batch, groups, heads // groups, length, size)
    scores = shared @ mx.expand_dims(keys, 2).swapaxes(-1, -2)
    weights = mx.softmax(scores, axis=-1, precise=True)
    return (weights @ mx.expand_dims(values, 2)).reshape(batch, heads, length, size)


def _attending(model: Any) -> list[ModuleType]:
    """The Python modules of the model's parts that call the function; a family may borrow some."""
    homes = sorted({type(part).__module__ for part in model.modules()})
    found = [sys.modules[home] for home in homes if hasattr(sys.modules[home], FUNCTION)]
    if not found:
        raise InputError("the model has no attention that is known here", "use a Qwen-3 model")
    return found


def _spelt_out(fused: Callable[..., mx.array]) -> Callable[..., mx.array]:
    def call(
        queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, **others: Any
    ) -> mx.array:
        if queries.shape[2] > 1:
            return fused(queries, keys, values, cache=cache, scale=scale, **others)
        if hasattr(cache, "bits") or any(value is not None for value in others.values()):
            raise InputError(
                "attention with a mask, with sinks or over quantised keys is not spelt out here",
                "use a Qwen-3 model",
            )
        return attend(queries, keys, values, scale)

    return call
