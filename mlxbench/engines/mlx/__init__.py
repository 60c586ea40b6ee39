"""The in-process engine: an mlx-lm model of a local checkpoint, timed against the device."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlxbench import chat, checkpoints, roofline
from mlxbench.engines.mlx import load, trials
from mlxbench.engines.mlx.context import Context
from mlxbench.records import (
    Arm,
    Checkpoint,
    Failed,
    Generate,
    Options,
    Target,
    Task,
    Timed,
    Trial,
)
from mlxbench.tokenizer import Tokenizer, read_json


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    """Weights, KV cache and headroom of the largest arm, from config and headers; else `None`."""
    config = read_json(Path(target.location) / "config.json")
    shape = roofline.shape_from_config(config)
    weights = _inspect(target).weight_bytes
    if shape is None or weights is None:
        return None
    value_bytes = 4 if config.get("torch_dtype") == "float32" else 2
    fused = mx.default_device() != mx.cpu
    return max(
        roofline.task_memory_bytes(shape, weights, arm.task, arm.options, value_bytes, fused)
        for arm in arms
    )


def open(target: Target) -> MlxLoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """Check the checkpoint's files, then load it. Raises CheckpointError or MeasurementError."""
    directory = Path(target.location)
    checkpoint = _inspect(target)
    tokenizer = Tokenizer(directory)
    return MlxLoaded(target, checkpoint, load.load(directory), tokenizer)


class MlxLoaded:
    """A model in memory, with the context that the latest task left in its KV cache."""

    def __init__(
        self, target: Target, checkpoint: Checkpoint, model: Any, tokenizer: Tokenizer
    ) -> None:
        self.checkpoint: Checkpoint | None = checkpoint
        self.model = model
        self.tokenizer = tokenizer
        self._target = target
        self._context: tuple[Timed, Options, Context] | None = None
        self._resources = contextlib.ExitStack()
        self._resources.enter_context(load.wired_limit())

    def run(self, task: Task, options: Options, seed: int) -> Trial:
        """One trial; a failure of the device comes back as a `Failed`."""
        context, self._context = self._context, None  # a trial that breaks off leaves none
        try:
            if isinstance(task, Generate):
                return self._generate(task, options, seed)
            if context is None or context[:2] != (task, options):
                del context  # give its memory back before the next one is filled
                made = trials.make_context(self.model, self.tokenizer, task, options)
                context = (task, options, made)
            trial = trials.run_timed(
                self.model, self.tokenizer, context[2], task, seed, self._target.synthetic
            )
        except (RuntimeError, ValueError, MemoryError) as error:  # how mlx says no
            return _failed(error)
        self._context = context
        return trial

    def clock(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Drop the model, its caches and the wired limit."""
        self._context = None
        self.model = None
        self._resources.close()
        load.release()

    def _generate(self, task: Generate, options: Options, seed: int) -> Trial:
        template = chat.template_of(Path(self._target.location))
        prompt = chat.render(template, task.turns(seed), task.thinking)
        return trials.run_generate(
            self.model, self.tokenizer, prompt, task, options, seed, self._target.synthetic
        )


def _inspect(target: Target) -> Checkpoint:
    return checkpoints.inspect(
        Path(target.location), target.model, target.source, target.repository, target.revision
    )


def _failed(error: BaseException) -> Failed:
    message = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    lowered = message.lower()
    memory = isinstance(error, MemoryError) or "alloc" in lowered or "memory" in lowered
    return Failed("out_of_memory" if memory else "engine_error", message)
