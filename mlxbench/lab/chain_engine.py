"""The engine `chain`: parts of a decode step again and again, so that comparisons can time them.

`Target.model` says what is chained:

- `dependent`: tiny kernels, each waiting for the one before. A "token" is a launch.
- `independent`: as many that need not wait for each other.
- `NAME/blocks`: what comes after attention in every layer of the checkpoint in `Target.location`,
  each layer's output the next one's input, as in a decode step without its attention and its head.
  A "token" is one pass through all layers.

What comes after attention is known of Qwen-3's families only; another one is refused.

Traps: a chain's graph is built before the clock starts, or Python would be timed; and a block's
output is scaled back before it goes on, or it would grow without end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlxbench import checkpoints
from mlxbench.engines import mlx as mlx_engine
from mlxbench.engines.mlx import kernels, trials
from mlxbench.errors import InputError
from mlxbench.records import Arm, Checkpoint, Completed, Options, Request, Target, Timed, Trial
from mlxbench.roofline import DENSE_TYPE, MIXTURE_TYPE

NAME = "chain"
DEPENDENT, INDEPENDENT, BLOCKS = "dependent", "independent", "blocks"
TINY = 32  # values of a kernel that costs nothing but its launch


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    """Of blocks, what the whole model needs; launches take next to nothing.

    Raises InputError for a family whose blocks are not known.
    """
    if not _has_blocks(target):
        return None
    _refuse_unknown(target)
    return mlx_engine.predict_memory(_whole(target), arms)


def open(target: Target) -> LaunchesLoaded | BlocksLoaded:  # noqa: A001 - the Engine protocol's name
    """A chain that is ready to run. Raises InputError for one that is not known."""
    if _has_blocks(target):
        _refuse_unknown(target)
        return BlocksLoaded(mlx_engine.open(_whole(target)))
    if target.model not in (DEPENDENT, INDEPENDENT):
        raise InputError(f"no chain {target.model!r}", f"use {DEPENDENT}, {INDEPENDENT} or blocks")
    return LaunchesLoaded(target.model == DEPENDENT)


class LaunchesLoaded:
    """Tiny kernels."""

    def __init__(self, dependent: bool) -> None:
        self.checkpoint: Checkpoint | None = None
        self._dependent = dependent
        self._values = mx.zeros(TINY)
        mx.eval(self._values)

    def run(self, task: Request, options: Options, seed: int) -> Trial:  # noqa: ARG002 - protocol
        """One launch, then all others; the stamps are before and after these."""
        assert isinstance(task, Timed)
        try:
            return self._launched(task.generation_tokens - 1)
        except trials.DEVICE_FAULTS as error:
            return trials.failed(error)

    def _launched(self, count: int) -> Trial:
        began = time.perf_counter()
        last = self._values + 1
        mx.eval(last)
        made = []
        for _ in range(count):
            last = (last if self._dependent else self._values) + 1
            made.append(last)
        first = time.perf_counter()
        mx.eval(last if self._dependent else made)
        return _completed(began, first, time.perf_counter(), count + 1)

    def clock(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """There is nothing to give back."""


class BlocksLoaded:
    """Everything after attention in the layers of a model."""

    def __init__(self, whole: mlx_engine.MlxLoaded) -> None:
        self.checkpoint = whole.checkpoint
        self._whole = whole

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One pass, then all others; `options.kernels` are installed meanwhile."""
        assert isinstance(task, Timed)
        try:
            return self._passed(task.generation_tokens, options, seed)
        except trials.DEVICE_FAULTS as error:
            return trials.failed(error)

    def _passed(self, count: int, options: Options, seed: int) -> Trial:
        model = self._whole.model
        x = model.model.embed_tokens(mx.array([[seed % model.args.vocab_size]]))
        with kernels.installed(model, options.kernels):
            began = time.perf_counter()
            x = _through(model, x)
            mx.eval(x)
            first = time.perf_counter()
            for _ in range(count - 1):
                x = _through(model, x)
                mx.async_eval(x)
            mx.eval(x)
            return _completed(began, first, time.perf_counter(), count)

    def clock(self) -> float:
        """The monotonic clock."""
        return self._whole.clock()

    def close(self) -> None:
        """Drop the model."""
        self._whole.close()


def _through(model: Any, x: mx.array) -> mx.array:
    """x [1, 1, hidden] through what follows attention in every layer."""
    for layer in model.layers:
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return mx.fast.rms_norm(x, None, 1e-6)


def _completed(began: float, first: float, last: float, count: int) -> Trial:
    stamps = (first - began, last - began)
    return Completed("device", stamps, last - began, 1, count, 1, "length")


def _has_blocks(target: Target) -> bool:
    return target.model.endswith(f"/{BLOCKS}")


def _refuse_unknown(target: Target) -> None:
    family = checkpoints.read_config(Path(target.location)).get("model_type")
    if family not in (DENSE_TYPE, MIXTURE_TYPE):
        raise InputError(
            f"what comes after attention in a {family!r} is not known here", "use a Qwen-3 model"
        )


def _whole(target: Target) -> Target:
    return replace(target, engine="mlx", model=target.model.removesuffix(f"/{BLOCKS}"))
