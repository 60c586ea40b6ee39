"""The steps that load a model: each shape by itself, the engine's parts, and what is around it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlxbench import engines, roofline, synthetic
from mlxbench.engines.mlx import MlxLoaded
from mlxbench.errors import DoesNotFitError
from mlxbench.lab import discovery
from mlxbench.lab.device_checks import costs, decoding, trapped
from mlxbench.records import Arm, Completed, Failed, Options, Target, Timed
from mlxbench.report.format import memory
from mlxbench.selftest import generation, machinery, parts
from mlxbench.selftest import memory as memory_checks
from mlxbench.selftest.bench import Bench
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.scale import is_slice
from mlxbench.synthetic import Recipe

SCALE_BYTES = {"f32": 4, "bf16": 2}
REPLIES = 3  # of which the median tells how far the clock ran ahead


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens: of prompts, of the context before them, and of replies.

    `counted` are those of the prompt whose forwards are counted. Rates are compared over `few`
    tokens, where an error at the boundary is large, and `longer` more.
    """

    prompt: int
    depth: int
    counted: int
    reply: int
    few: int
    longer: int


# A CPU needs a minute for what a GPU does at once.
ON_GPU = Lengths(512, 2048, 80, 24, few=8, longer=32)
TINY_ON_CPU = Lengths(128, 300, 80, 24, few=4, longer=8)
SLICE_ON_CPU = Lengths(16, 0, 16, 8, few=4, longer=8)


def lengths(name: str, on_cpu: bool) -> Lengths:
    """How long the tasks of a model are."""
    if not on_cpu:
        return ON_GPU
    return SLICE_ON_CPU if is_slice(name) else TINY_ON_CPU


@contextmanager
def made(shared: Bench, recipe: Recipe) -> Iterator[Target]:
    """A checkpoint on the disk until the block ends."""
    directory = synthetic.ensure(recipe, shared.folder)
    try:
        yield Target("mlx", recipe.name, str(directory), "synthetic", synthetic=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def opened(target: Target) -> Iterator[MlxLoaded]:
    """A target in memory until the block ends."""
    loaded = engines.engine(target.engine).open(target)
    assert isinstance(loaded, MlxLoaded)
    try:
        yield loaded
    finally:
        loaded.close()


def model(shared: Bench, recipe: Recipe) -> Iterator[Checked]:
    """Everything that is asked of one shape."""
    long = lengths(recipe.name, shared.on_cpu)
    tokens = min(long.reply, shared.scale.tokens)
    tasks = (
        Timed("decode", long.prompt, tokens, depth=long.depth),
        Timed("prefill", long.prompt, 1),
    )
    with made(shared, recipe) as target:
        predicted = {task: _predicted(Arm(target, task)) for task in tasks}
        _refuse_unless(max(predicted.values()), shared.usable_bytes)
        before = costs.held_bytes()
        with opened(target) as loaded:
            yield from _memory(recipe.name, loaded, predicted, before)
            yield from _rates(shared, recipe, loaded, tasks[0])
            subject = decoding.subject(loaded.model, Path(target.location))
            yield from _exact(recipe.name, subject, long.counted, tokens)
            if is_slice(recipe.name):  # elsewhere Python sets the pace, and not the device
                rounds = shared.scale.most_rounds
                yield from generation.paces(recipe.name, subject, long.few, long.longer, rounds)
                yield from generation.prefill(recipe.name, subject, long.prompt, rounds)


def _predicted(arm: Arm) -> int:
    found = engines.engine(arm.target.engine).predict_memory(arm.target, [arm])
    assert found is not None, "a synthetic checkpoint's shape is known"
    return found


def _refuse_unless(needed: int, usable: int | None) -> None:
    if usable is not None and not roofline.fits(needed, usable):
        raise DoesNotFitError(
            f"{memory(needed)} are needed and {memory(usable)} usable", "close other programs"
        )


def _memory(
    topic: str, loaded: MlxLoaded, predicted: dict[Timed, int], before: int
) -> Iterator[Checked]:
    """What the weights take, and the peaks of the tasks, without what lay there before."""
    checkpoint = loaded.checkpoint
    assert checkpoint is not None
    assert checkpoint.weight_bytes is not None
    yield memory_checks.weights(topic, costs.held_bytes() - before, checkpoint.weight_bytes)
    for task, needed in predicted.items():
        trial = loaded.run(task, Options(), 1)
        if isinstance(trial, Failed):
            yield parts.broken(topic, task.label, trial)
        elif trial.peak_memory_bytes is not None:
            peak = trial.peak_memory_bytes - before
            yield memory_checks.prediction(topic, task.label, peak, needed)


def _rates(shared: Bench, recipe: Recipe, loaded: MlxLoaded, task: Timed) -> Iterator[Checked]:
    """The decode rate as users see it, beneath what the memory lets through."""
    trial = loaded.run(task, Options(), 2)
    if not isinstance(trial, Completed) or shared.ceiling is None:
        return
    steps = trial.generated_tokens - 1
    per_second = steps / (trial.stamps[-1] - trial.stamps[0])
    active = roofline.active_bytes(recipe.effective_shape, scale_bytes=SCALE_BYTES[recipe.scales])
    yield generation.below_ceiling(recipe.name, per_second, shared.ceiling, active)


def _exact(
    topic: str, subject: decoding.Subject, prompt_tokens: int, tokens: int
) -> Iterator[Checked]:
    """Forwards, tokens and stamps."""
    prompt = decoding.prompt(prompt_tokens)
    yield generation.counted(topic, decoding.forwards(subject, prompt, tokens))
    yield generation.same_tokens(topic, *decoding.greedy_tokens(subject, prompt, tokens))
    replies = [decoding.generate(subject, prompt, tokens) for _ in range(REPLIES)]
    honest = replies[0]
    yield from generation.stamps(topic, replies)
    yield generation.first_alone(topic, decoding.dispatches(subject, prompt, tokens), tokens)
    ahead = decoding.generate(replace(subject, run=trapped.ahead), prompt, tokens)
    yield generation.trap(topic, honest, ahead)
    yield generation.building(topic, honest, decoding.build_seconds(subject, tokens))


def parts_of_the_engine(shared: Bench, recipe: Recipe) -> Iterator[Checked]:
    """On a small mixture: every kind of trial, batches, routers, kernels swapped in, wiring."""
    device, runner = shared.runners()
    backend = device or (None if isinstance(runner, str) else runner)
    before = costs.wired_limit_bytes()
    with made(shared, recipe) as target, opened(target) as loaded:
        while_loaded = costs.wired_limit_bytes()
        yield from parts.trials(loaded)
        yield from parts.batched(loaded)
        yield from parts.routers(loaded, recipe.effective_shape)
        for place in discovery.places(discovery.builtin_folder()):
            if backend is not None:
                yield parts.swapped(loaded, place, backend)
    wired = machinery.Wired(before, while_loaded, costs.wired_limit_bytes())
    machine = shared.environment
    yield machinery.wired(wired, machine.accelerator_memory_bytes, machine.accelerator_backend)


def around_the_engine(shared: Bench, recipe: Recipe) -> Iterator[Checked]:
    """A worker process, a chat template, the store."""
    with made(shared, recipe) as target:
        yield machinery.worker(target)
        yield machinery.template(Path(target.location))
    yield from machinery.store(shared.folder)
