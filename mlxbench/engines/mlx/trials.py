"""From a task to a trial: prompts, the timed loop, and the checks after the last stamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mlx.core as mx

from mlxbench import chat
from mlxbench.engines.mlx import loop
from mlxbench.engines.mlx.context import Context, new_cache
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.records import Completed, Failed, Generate, Notice, Options, Timed, Trial
from mlxbench.text import exact_prompt
from mlxbench.tokenizer import Tokenizer

# A decode trial shares all but this many tokens of its prompt with the other trials, so that the
# prompt is prefilled once; these last ones are its own and make what it generates differ.
OWN_DECODE_TOKENS = 16
CONTEXT_SEED = 1_000_003  # far from the trials' own seeds

DEVICE_FAULTS = (RuntimeError, ValueError, MemoryError)  # how mlx says no
DIVERSITY_CHECKED_FROM = 16  # tokens; fewer say nothing
FEWEST_DISTINCT = 4


RANDOM_ROUTING = Notice(
    "random-routing",
    "random routers spread tokens nearly evenly over the experts, which trained ones may not",
    "take prefill and batched rates of a synthetic mixture as rough",
)


def own_tokens(task: Timed) -> int:
    """How many prompt tokens each trial processes itself; the rest is shared context."""
    if task.kind != "decode":
        return task.prompt_tokens
    return min(OWN_DECODE_TOKENS, task.prompt_tokens)


def context_tokens(task: Timed) -> int:
    """How many tokens lie in the KV cache when a trial starts."""
    return task.depth + task.prompt_tokens - own_tokens(task)


def make_context(model: Any, tokenizer: Tokenizer, task: Timed, options: Options) -> Context:
    """The shared context [B, C] of a task, not yet prefilled."""
    length = context_tokens(task)
    return Context(model, _prompts(tokenizer, task.batch_size, length, CONTEXT_SEED), options)


def run_timed(
    model: Any, tokenizer: Tokenizer, context: Context, task: Timed, seed: int, synthetic: bool
) -> Trial:
    """One timed trial on a context made for the same task."""
    own = own_tokens(task)
    mx.random.seed(task.sampler.seed + seed)
    cache = context.cache(appending=own + task.generation_tokens - 1)
    result = loop.run(
        model,
        cache,
        loop.Request(
            prompt=_prompts(tokenizer, task.batch_size, own, seed * task.batch_size),
            generation_tokens=task.generation_tokens,
            pipelined=task.mode == "pipelined",
            prefill_step_size=context.prefill_step_size,
            sample=sample_function(task.sampler),
        ),
    )
    whole_prompt = task.kind != "decode"
    native = _native(result, task.batch_size, task.prompt_tokens if whole_prompt else None)
    text = None
    if task.kind == "request":  # to be compared with what a server makes of the same prompt
        text = tokenizer.decode([row[0] for row in result.tokens])
    trial = _checked(result, task.batch_size, task.prompt_tokens, native, synthetic, text)
    if isinstance(trial, Completed) and synthetic and _routes_many_tokens(model, task):
        return replace(trial, notices=(*trial.notices, RANDOM_ROUTING))
    return trial


def run_generate(
    model: Any,
    tokenizer: Tokenizer,
    prompt: str,
    task: Generate,
    options: Options,
    seed: int,
    synthetic: bool,
) -> Trial:
    """One chat reply to an already rendered prompt, ended by the model or the token budget."""
    ids = tokenizer.encode(prompt)
    mx.random.seed(task.sampler.seed + seed)
    result = loop.run(
        model,
        new_cache(model, options),
        loop.Request(
            prompt=mx.array([ids]),
            generation_tokens=task.token_budget,
            pipelined=True,
            prefill_step_size=options.prefill_step_size,
            sample=sample_function(task.sampler),
            stop_tokens=tokenizer.stop_tokens,
        ),
    )
    stopped = result.tokens[-1][0] in tokenizer.stop_tokens
    reply = [row[0] for row in result.tokens]
    said = tokenizer.decode(reply[:-1] if stopped else reply)
    native = _native(result, 1, len(ids))
    return _checked(
        result,
        1,
        len(ids),
        native,
        synthetic,
        text=chat.opened_thinking(prompt) + said,
        stopped=stopped,
    )


def _routes_many_tokens(model: Any, task: Timed) -> bool:
    """Whether the number of different experts per forward matters to the rate."""
    mixture = getattr(model.args, "num_experts", 0) > 0
    return mixture and (task.kind != "decode" or task.batch_size > 1)


def _prompts(tokenizer: Tokenizer, batch_size: int, length: int, seed: int) -> mx.array:
    """Different natural text for each sequence, as ids [B, length]."""
    if length == 0:
        return mx.zeros((batch_size, 0), dtype=mx.int32)
    rows = [
        exact_prompt(tokenizer.encode, tokenizer.decode, length, seed + row).tokens
        for row in range(batch_size)
    ]
    return mx.array(rows, dtype=mx.int32)


def _checked(
    result: loop.Result,
    batch_size: int,
    prompt_tokens: int,
    native: dict[str, float],
    synthetic: bool,
    text: str | None = None,
    stopped: bool = False,
) -> Trial:
    if not result.finite:
        message = "the logits after the last token hold NaN or infinity"
        return Failed("not_finite", message, result.duration_s)
    tokens = tuple(zip(*result.tokens, strict=True))
    notices: tuple[Notice, ...] = ()
    if doubt := low_diversity(tokens):
        if synthetic:
            return Failed("low_diversity", doubt.message, result.duration_s)
        notices = (doubt,)
    return Completed(
        clock="device",
        stamps=result.stamps,
        duration_s=result.duration_s,
        prompt_tokens=prompt_tokens,
        generated_tokens=len(result.tokens),
        batch_size=batch_size,
        finish_reason="stop" if stopped else "length",
        prefill_kv_s=result.prefill_kv_s,
        peak_memory_bytes=mx.get_peak_memory(),
        tokens=tokens,
        text=text,
        native=native,
        notices=notices,
    )


def low_diversity(sequences: Sequence[Sequence[int]]) -> Notice | None:
    """That the output looks like a broken model's, if it does."""
    for sequence in sequences:
        distinct = len(set(sequence))
        if len(sequence) >= DIVERSITY_CHECKED_FROM and distinct < FEWEST_DISTINCT:
            return Notice(
                "low-diversity",
                f"only {distinct} distinct tokens among {len(sequence)}",
                "read the reply before you trust the rate: the checkpoint may be broken",
            )
    return None


def failed(error: BaseException) -> Failed:
    """One of `DEVICE_FAULTS` as a trial's outcome."""
    message = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    lowered = message.lower()
    memory = isinstance(error, MemoryError) or "alloc" in lowered or "memory" in lowered
    return Failed("out_of_memory" if memory else "engine_error", message)


def _native(result: loop.Result, batch_size: int, prompt_tokens: int | None) -> dict[str, float]:
    """What mlx-lm would print for the same stamps (`mlx_lm.generate.stream_generate`).

    Its generation rate divides N tokens by the N-1 intervals between them; its prompt rate is the
    prompt over the time to the first token; `prompt_tokens` is `None` where the prompt was cached.
    """
    first, last = result.stamps[0], result.stamps[-1]
    native = {} if prompt_tokens is None else {"prefill_tps": batch_size * prompt_tokens / first}
    if last > first:
        native["decode_tps"] = batch_size * len(result.stamps) / (last - first)
    return native
