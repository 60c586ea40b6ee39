"""A `Sampler` record as the function that mlx-lm would use."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
from mlx_lm.sample_utils import make_sampler

from mlxbench.records import Sampler


def sample_function(sampler: Sampler) -> Callable[[mx.array], mx.array]:
    """Log-probabilities [B, V] → tokens [B]. mlx-lm applies top-p before top-k."""
    function: Callable[[mx.array], mx.array] = make_sampler(
        temp=sampler.temperature,
        top_p=sampler.top_p if sampler.top_p < 1 else 0.0,
        top_k=sampler.top_k,
    )
    return function
