"""The mlx engine with a little more work on the device for each token: a slower arm of known size.

Its targets are those of the `mlx` engine; `Target.python` is not used. The extra work is a chain of
small matrix products whose result the token depends on, so that nothing can hide it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from unittest import mock

import mlx.core as mx

from mlxbench import engines
from mlxbench.engines.mlx import MlxLoaded
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.records import Arm, Checkpoint, Options, Request, Sampler, Target, Trial

SIDE = 32  # of the square matrices
links = 0  # products per token; set by `calibrate` before a comparison


def chain(tokens: mx.array, length: int) -> mx.array:
    """`tokens`, after `length` dependent products that change nothing."""
    matrix = mx.full((SIDE, SIDE), 1 / SIDE)
    square = matrix
    for _ in range(length):
        square = square @ matrix
    nothing = (square[0, 0] * 0).astype(tokens.dtype)
    return tokens + nothing


def calibrate(seconds: float) -> int:
    """How many links take `seconds`; the fastest of several, as on an undisturbed machine."""
    tokens, length = mx.zeros((1,), dtype=mx.uint32), 200
    mx.eval(chain(tokens, length))
    times = []
    for _ in range(20):
        start = time.perf_counter()
        mx.eval(chain(tokens, length))
        times.append(time.perf_counter() - start)
    return max(1, round(seconds / (min(times) / length)))


class DelayedLoaded(MlxLoaded):
    """A loaded model whose every sampled token takes the extra work first."""

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        with mock.patch("mlxbench.engines.mlx.trials.sample_function", _slower):
            return super().run(task, options, seed)


def _slower(sampler: Sampler) -> Any:
    sample = sample_function(sampler)
    return lambda logits: chain(sample(logits), links)


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    """As the engine that it slows down."""
    return engines.engine("mlx").predict_memory(target, arms)


def open(target: Target) -> DelayedLoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """As the engine that it slows down."""
    opened = engines.engine("mlx").open(target)
    assert isinstance(opened, MlxLoaded)
    checkpoint: Checkpoint | None = opened.checkpoint
    assert checkpoint is not None
    return DelayedLoaded(target, checkpoint, opened.model, opened.tokenizer)
