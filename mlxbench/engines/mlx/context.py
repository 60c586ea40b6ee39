"""The KV cache that trials of one task share: filled once, trimmed back between trials.

Filling 32,768 tokens before each trial would take longer than the trial. A trial therefore finds
the context in the cache, appends its own tokens, and afterwards the cache is cut back to the
context's length. Caches that cannot be cut (recurrent states) are filled anew for each trial.

A trimmed cache keeps its buffer, so the copy that mlx-lm makes every 256 tokens to grow it falls
into the first trial, which warms up, and not into the measured ones.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import (
    KVCache,
    can_trim_prompt_cache,
    make_prompt_cache,
    trim_prompt_cache,
)

from mlxbench.engines.mlx import loop
from mlxbench.records import Options


def new_cache(model: Any, options: Options) -> list[Any]:
    """An empty KV cache for `model`, quantised from its first token where `kv_bits` asks for it."""
    cache = make_prompt_cache(model)
    if options.kv_bits is None:
        return list(cache)
    return [
        layer.to_quantized(group_size=options.kv_group_size, bits=options.kv_bits)
        if isinstance(layer, KVCache)
        else layer
        for layer in cache
    ]


class Context:
    """A cache that holds `tokens` [B, C], lent to one trial after another."""

    def __init__(self, model: Any, tokens: mx.array, options: Options) -> None:
        self._model = model
        self._tokens = tokens
        self._options = options
        self._cache: list[Any] | None = None
        self._appended = 0

    @property
    def prefill_step_size(self) -> int:
        return self._options.prefill_step_size

    def cache(self, appending: int) -> list[Any]:
        """The cache with exactly the context in it; the caller will append `appending` tokens.

        A caller that appends another number, or fails on the way, calls `drop`.
        """
        if self._cache is None or not self._trimmed():
            self._cache = new_cache(self._model, self._options)
            loop.prefill(self._model, self._cache, self._tokens, self._options.prefill_step_size)
        self._appended = appending
        return self._cache

    def drop(self) -> None:
        """Forget the cache: the next trial fills it anew."""
        self._cache = None

    def _trimmed(self) -> bool:
        assert self._cache is not None
        if not can_trim_prompt_cache(self._cache):
            return False
        trimmed: Any = trim_prompt_cache(self._cache, self._appended)
        return bool(trimmed == self._appended)
