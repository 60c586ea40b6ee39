"""The timed loop: exactly N forwards for N tokens, each stamped when its value is on the host.

MLX is lazy and asynchronous. Building a graph takes no device time and nothing has happened until
its value is read, so a stamp is taken only after `tolist()` of the token. Two ways to decode:

- **pipelined**: step n+1 is dispatched before token n is read, as mlx-lm generates and as people
  run it. The device never waits for Python, and the mean gap is the true cost of a token; single
  gaps are arrival times, not latencies.
- **stepped**: token n is read before step n+1 is built. Each gap is one whole step, so only this
  mode yields inter-token latencies; its rate is lower.

Traps that this module exists to avoid:

- mlx-lm runs on a stream of its own; `mx.synchronize()` without argument waits for another one.
- mlx-lm's generator dispatches one forward more than it yields, and that leftover runs into
  whatever is timed next. Here nothing is dispatched after the last token.
- `async_eval` is not always asynchronous. MLX blocks it while more than ten tasks are in flight,
  and a step is more than that, so a token that is read after the next step was dispatched is
  stamped late by most of a step. The last token has no next step; if the first one were stamped
  late, the window would be short by that much (measured on the CPU at 6 tokens: a rate 15 % too
  high). So the second step's graph is built but not dispatched until the first token is stamped.
- The argmax of NaN is 0, quietly. The last logits are kept and checked after the last stamp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generation_stream

# Tokens; mlx-lm's habit, and part of what its users pay. Not at token 0, where only a short trial
# would feel it: the prefill has just cleared the cache.
CLEAR_CACHE_EVERY = 256

Sample = Callable[[mx.array], mx.array]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for each sequence of a batch and how many tokens to generate.

    `prompt` has shape [B, P] and follows whatever the KV cache already holds.
    """

    prompt: mx.array
    generation_tokens: int
    pipelined: bool
    prefill_step_size: int
    sample: Sample
    stop_tokens: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """Stamps in seconds since the first graph was built; `tokens` [N][B]; `finite` of logits."""

    stamps: tuple[float, ...]
    prefill_kv_s: float
    duration_s: float
    tokens: list[list[int]]
    finite: bool


def run(model: Any, cache: list[Any], request: Request) -> Result:
    """Process the prompt, then generate; `cache` holds the prompt and N-1 tokens more afterwards.

    With `stop_tokens` (batch size 1) generation may end early: then the cache holds up to one token
    more, which the pipeline had already dispatched.
    """
    mx.synchronize(generation_stream)
    mx.clear_cache()
    mx.reset_peak_memory()
    with mx.stream(generation_stream):
        start = time.perf_counter()
        prefill(model, cache, request.prompt[:, :-1], request.prefill_step_size)
        prefilled = time.perf_counter()
        stamps, tokens, logits = _generate(model, cache, request)
        mx.synchronize(generation_stream)
        end = time.perf_counter()
        finite = bool(mx.isfinite(logits).all().item())
    return Result(
        stamps=tuple(stamp - start for stamp in stamps),
        prefill_kv_s=prefilled - start,
        duration_s=end - start,
        tokens=tokens,
        finite=finite,
    )


def prefill(model: Any, cache: list[Any], tokens: mx.array, step_size: int) -> None:
    """Bring `tokens` [B, P] into the KV cache in chunks, each evaluated before the next."""
    with mx.stream(generation_stream):
        for begin in range(0, tokens.shape[1], step_size):
            model(tokens[:, begin : begin + step_size], cache=cache)
            mx.eval([layer.state for layer in cache])
            mx.clear_cache()


def _generate(
    model: Any, cache: list[Any], request: Request
) -> tuple[list[float], list[list[int]], mx.array]:
    def step(inputs: mx.array) -> tuple[mx.array, mx.array]:
        logits = model(inputs, cache=cache)[:, -1, :]
        # mlx-lm samples from normalised log-probabilities; doing the same costs what its users pay
        # and rounds the same way, so greedy tokens agree with it.
        return request.sample(logits - mx.logsumexp(logits, axis=-1, keepdims=True)), logits

    stamps: list[float] = []
    tokens: list[list[int]] = []
    current, logits = step(request.prompt[:, -1:])
    mx.async_eval(current)
    for index in range(request.generation_tokens):
        last = index + 1 == request.generation_tokens
        if request.pipelined and not last:
            following, logits = step(current[:, None])
            if index > 0:  # see above: nothing may hold up the first stamp
                mx.async_eval(following)
        tokens.append(_values(current))
        stamps.append(time.perf_counter())
        if tokens[-1][0] in request.stop_tokens or last:
            break
        if not request.pipelined:
            following, logits = step(current[:, None])
        elif index == 0:
            mx.async_eval(following)
        if index > 0 and index % CLEAR_CACHE_EVERY == 0:
            mx.clear_cache()
        current = following
    return stamps, tokens, logits


def _values(tokens: mx.array) -> list[int]:
    """The tokens [B] as Python integers, which waits until the device has them."""
    return [int(token) for token in _as_list(tokens)]


def _as_list(array: mx.array) -> Sequence[Any]:
    values = array.tolist()
    assert isinstance(values, list)
    return values
