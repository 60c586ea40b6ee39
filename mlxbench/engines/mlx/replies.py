"""Many chat replies at once: each step decodes one token for every reply that is under way.

mlx-lm's batch generator does the work: a reply that ends makes room for the next prompt. Every
reply draws from a random stream of its own, seeded by its own seed, so that what is drawn does not
depend on which replies happen to run beside it. (The logits do, in their last bits: a matrix
product of another size rounds differently.)

Stamps count from when a reply's prompt was begun, and share the machine with the other replies:
they are no decode rate. `native["machine_s"]` is the reply's share of the time spent on all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator
from mlx_lm.sample_utils import apply_top_k, apply_top_p

from mlxbench.engines.mlx.trials import DEVICE_FAULTS, failed, low_diversity
from mlxbench.records import Completed, Failed, Generate, Options, Sampler, Trial
from mlxbench.tokenizer import Tokenizer

MOST_PREFILLED_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered chat: its ids, what the template already opened of the reply, and the task."""

    tokens: list[int]
    opened: str
    task: Generate
    seed: int


@dataclass(slots=True)
class _UnderWay:
    """A reply so far; `began` is when its prompt was taken up (`perf_counter`)."""

    place: int
    prompt: Prompt
    began: float = 0.0
    machine_s: float = 0.0
    tokens: list[int] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)


def reply_all(
    model: Any,
    tokenizer: Tokenizer,
    prompts: Mapping[int, Prompt],
    options: Options,
    batch_size: int,
) -> Iterator[tuple[int, Trial]]:
    """A trial for each of `prompts` as it ends, with its key; at most `batch_size` at a time.

    When the device fails, so do all replies that are not finished.
    """
    mx.reset_peak_memory()
    generator: Any = BatchGenerator(  # its methods are without annotations
        model,
        stop_tokens=[[token] for token in tokenizer.stop_tokens],
        completion_batch_size=batch_size,
        prefill_batch_size=min(batch_size, MOST_PREFILLED_TOGETHER),
        prefill_step_size=options.prefill_step_size,
    )
    waiting = dict(_inserted(generator, prompts))
    try:
        while waiting:
            for uid, reason, finite in _step(generator, waiting):
                reply = waiting.pop(uid)
                yield reply.place, _trial(reply, reason, finite, tokenizer, batch_size)
    except DEVICE_FAULTS as error:
        for reply in waiting.values():
            yield reply.place, failed(error)
    finally:
        generator.close()


def _inserted(generator: Any, prompts: Mapping[int, Prompt]) -> Iterator[tuple[int, _UnderWay]]:
    uids = generator.insert(
        [prompt.tokens for prompt in prompts.values()],
        max_tokens=[prompt.task.token_budget for prompt in prompts.values()],
        samplers=[_sampler(prompt.task.sampler, prompt.seed) for prompt in prompts.values()],
    )
    for uid, (place, prompt) in zip(uids, prompts.items(), strict=True):
        yield uid, _UnderWay(place, prompt)


def _step(generator: Any, waiting: Mapping[int, _UnderWay]) -> list[tuple[int, str, bool]]:
    """One step of everything under way; what ended: its id, why, and whether it was finite."""
    began = time.perf_counter()
    prompted, generated = generator.next()
    now = time.perf_counter()
    ids = {response.uid for response in (*prompted, *generated)}
    for uid in ids:
        reply = waiting[uid]
        reply.began = reply.began or began
        reply.machine_s += (now - began) / len(ids)
    ended = []
    for response in generated:
        reply = waiting[response.uid]
        reply.tokens.append(response.token)
        reply.stamps.append(now - reply.began)
        if response.finish_reason is not None:
            finite = bool(mx.isfinite(response.logprobs).all().item())
            ended.append((response.uid, response.finish_reason, finite))
    return ended


def _trial(
    reply: _UnderWay, reason: str, finite: bool, tokenizer: Tokenizer, batch_size: int
) -> Trial:
    duration = reply.stamps[-1]
    if not finite:
        return Failed("not_finite", "the last token's scores hold NaN or infinity", duration)
    stopped = reason == "stop"
    said = reply.tokens[:-1] if stopped else reply.tokens
    doubt = low_diversity([reply.tokens])
    return Completed(
        clock="device",
        stamps=tuple(reply.stamps),
        duration_s=duration,
        prompt_tokens=len(reply.prompt.tokens),
        generated_tokens=len(reply.tokens),
        batch_size=1,
        finish_reason="stop" if stopped else "length",
        peak_memory_bytes=mx.get_peak_memory(),
        tokens=(tuple(reply.tokens),),
        text=reply.prompt.opened + tokenizer.decode(said),
        native={"machine_s": reply.machine_s, "batch_size": float(batch_size)},
        notices=(doubt,) if doubt else (),
    )


def _sampler(sampler: Sampler, seed: int) -> Callable[[mx.array], mx.array] | None:
    """Log-probabilities [1, V] → a token [1], from a stream that `seed` alone decides.

    `None`, the generator's own choice, is greedy. As in `mlx_lm.sample_utils.make_sampler`, top-p
    comes before top-k, and both before the temperature.
    """
    if sampler.greedy:
        return None
    key = mx.random.key(sampler.seed + seed)

    def draw(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, own = mx.random.split(key)
        if sampler.top_p < 1:
            logprobs = apply_top_p(logprobs, sampler.top_p)
        if 0 < sampler.top_k < logprobs.shape[-1]:
            logprobs = apply_top_k(logprobs, sampler.top_k)
        return mx.random.categorical(logprobs * (1 / sampler.temperature), key=own)

    return draw
