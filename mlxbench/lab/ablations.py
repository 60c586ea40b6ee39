"""What experiments take away from a model, or put in the place of a fast operation.

**Attention spelt out**: in decode steps, the plain operations that `mx.fast` fuses into one kernel:
scores, softmax, weighted values. Prompts still go through the fused one, since the scores of a long
prompt would not fit into memory; the comparison is about decoding. On the CPU mlx itself spells
attention out, so there the two differ in nothing but their Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx

from mlxbench.engines.mlx.kernels import Installer
from mlxbench.errors import InputError

MANUAL_ATTENTION = "manual-attention"
FUNCTION = "scaled_dot_product_attention"  # as mlx-lm's model modules import it


def installers() -> dict[str, Installer]:
    """By the names that options give them."""
    return {MANUAL_ATTENTION: manual_attention}


@contextmanager
def manual_attention(model: Any) -> Iterator[None]:
    """Spell attention out in the decode steps of `model`'s family until the block ends.

    Raises InputError for a family whose module does not call mlx-lm's own function.
    """
    module = sys.modules[type(_attention(model)).__module__]
    fused = getattr(module, FUNCTION, None)
    if fused is None:
        raise InputError(
            f"the attention in mlx-lm's {module.__name__} works in a way that is not known here",
            "use a Qwen-3 model",
        )
    setattr(module, FUNCTION, _spelt_out(fused))
    try:
        yield
    finally:
        setattr(module, FUNCTION, fused)


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


def _attention(model: Any) -> Any:
    for layer in model.layers:
        if (found := getattr(layer, "self_attn", None)) is not None:
            return found
    raise InputError("the model has no attention that is known here", "use a Qwen-3 model")


def _spelt_out(fused: Callable[..., mx.array]) -> Callable[..., mx.array]:
    def call(
        queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, **others: Any
    ) -> mx.array:
        plain = not hasattr(cache, "bits") and others.get("sinks") is None
        if plain and queries.shape[2] == 1 and others.get("mask") is None:
            return attend(queries, keys, values, scale)
        return fused(queries, keys, values, cache=cache, scale=scale, **others)

    return call
