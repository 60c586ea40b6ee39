"""The in-process engine: an mlx-lm model of a local checkpoint, timed against the device."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlxbench import chat, checkpoints, roofline
from mlxbench.engines.mlx import kernels, load, replies, routers, routing, trials
from mlxbench.engines.mlx.context import Context
from mlxbench.errors import MeasurementError
from mlxbench.records import (
    Arm,
    Checkpoint,
    Generate,
    Message,
    Options,
    Request,
    Target,
    Timed,
    Trial,
)
from mlxbench.tokenizer import Tokenizer, read_json


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    """Weights, KV cache and headroom of the largest arm, from config and headers; else `None`.

    Raises InputError for a routing that the model cannot have.
    """
    config = read_json(Path(target.location) / "config.json")
    shape = roofline.shape_from_config(config)
    if shape is not None:
        for arm in arms:
            routers.check(shape, arm.options.routing)
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

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One trial; a failure of the device comes back as a `Failed`."""
        context, self._context = self._context, None  # a trial that breaks off leaves none
        try:
            with (
                kernels.installed(self.model, options.kernels),
                routing.applied(self.model, options.routing),
            ):
                if isinstance(task, Generate):
                    return self._generate(task, options, seed)
                if context is None or context[:2] != (task, options):
                    del context  # give its memory back before the next one is filled
                    made = trials.make_context(self.model, self.tokenizer, task, options)
                    context = (task, options, made)
                trial = trials.run_timed(
                    self.model, self.tokenizer, context[2], task, seed, self._target.synthetic
                )
        except trials.DEVICE_FAULTS as error:
            return trials.failed(error)
        self._context = context
        return trial

    def reply_all(
        self, requests: Mapping[int, Generate], options: Options, batch_size: int
    ) -> Iterator[tuple[int, Trial]]:
        """A trial for each request as it ends, with its key, which is also its seed."""
        self._context = None  # its memory is better spent on replies
        if options.kv_bits is not None:  # mlx-lm has no batched cache that is quantised
            yield from ((seed, self.run(task, options, seed)) for seed, task in requests.items())
            return
        template = chat.template_of(Path(self._target.location))
        rendered: dict[tuple[Message, ...], str] = {}
        prompts = {}
        for seed, task in requests.items():
            turns = tuple(task.turns(seed))
            if turns not in rendered:  # all samples of a question share one prompt
                rendered[turns] = chat.render(template, turns, task.thinking)
            text = rendered[turns]
            prompts[seed] = replies.Prompt(
                self.tokenizer.encode(text), chat.opened_thinking(text), task, seed
            )
        with (
            kernels.installed(self.model, options.kernels),
            routing.applied(self.model, options.routing),
        ):
            yield from replies.reply_all(self.model, self.tokenizer, prompts, options, batch_size)

    def route(
        self, task: Generate, options: Options, seed: int
    ) -> tuple[tuple[int, ...] | None, ...]:
        """How often each expert of each layer is chosen over a chat's prompt; nothing is timed.

        `None` stands for a layer without a router. Raises InputError, or MeasurementError when
        the device fails.
        """
        self._context = None  # its memory may be needed
        tokens = mx.array([self.tokenizer.encode(self._prompt(task, seed))])
        try:
            counts = routing.count_experts(self.model, tokens, options)
        except trials.DEVICE_FAULTS as error:
            raise MeasurementError(
                f"counting experts over {tokens.shape[1]} tokens failed on the device "
                f"({trials.failed(error).message})",
                "free memory, or use a shorter prompt or --prefill-step-size",
            ) from error
        return tuple(None if layer is None else tuple(layer) for layer in counts)

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
        prompt = self._prompt(task, seed)
        return trials.run_generate(
            self.model, self.tokenizer, prompt, task, options, seed, self._target.synthetic
        )

    def _prompt(self, task: Generate, seed: int) -> str:
        template = chat.template_of(Path(self._target.location))
        return chat.render(template, task.turns(seed), task.thinking)


def _inspect(target: Target) -> Checkpoint:
    return checkpoints.inspect(
        Path(target.location), target.model, target.source, target.repository, target.revision
    )
