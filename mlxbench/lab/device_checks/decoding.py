"""A loaded model at work: forwards, greedy tokens and rates, beside mlx-lm's own.

Whatever generates is a `Loop`, by default the engine's; those in `trapped` do it wrong.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm import stream_generate
from mlx_lm.generate import generation_stream
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_tokenizer

from mlxbench.engines.mlx import loop
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.records import GREEDY

Loop = Callable[[Any, list[Any], loop.Request], loop.Result]
PREFILL_STEP = 64  # tokens; small, so that a short prompt takes several chunks
FIRST_ID = 100  # of the prompt's tokens, which are any


@dataclass(frozen=True, slots=True)
class Subject:
    """A model in memory, mlx-lm's tokenizer of it, and the loop under test."""

    model: Any
    tokenizer: Any
    run: Loop = loop.run


def subject(model: Any, directory: Path) -> Subject:
    """A model as the checks want it: its end-of-text tokens end nothing."""
    tokenizer: Any = load_tokenizer(directory)  # type: ignore[no-untyped-call]
    tokenizer._eos_token_ids = set()  # mlx-lm has no other way to ignore them
    return Subject(model, tokenizer)


def prompt(tokens: int) -> list[int]:
    """Ids that every vocabulary has."""
    return list(range(FIRST_ID, FIRST_ID + tokens))


def generate(subject: Subject, ids: list[int], tokens: int, pipelined: bool = True) -> loop.Result:
    """One greedy reply of exactly `tokens` tokens by the loop under test."""
    request = loop.Request(
        mx.array([ids]), tokens, pipelined, PREFILL_STEP, sample_function(GREEDY)
    )
    return subject.run(subject.model, make_prompt_cache(subject.model), request)


@dataclass(frozen=True, slots=True)
class Forwards:
    """Tokens per sequence in each forward that a reply took, and those that it should take."""

    seen: tuple[int, ...]
    due: tuple[int, ...]


def forwards(subject: Subject, ids: list[int], tokens: int) -> Forwards:
    """Count the forwards of one reply: the prompt in chunks, then one for each token."""
    seen: list[int] = []

    def counted(inputs: mx.array, cache: list[Any]) -> Any:
        seen.append(inputs.shape[1])
        return subject.model(inputs, cache=cache)

    cache = make_prompt_cache(subject.model)
    request = loop.Request(mx.array([ids]), tokens, True, PREFILL_STEP, sample_function(GREEDY))
    subject.run(counted, cache, request)
    before = len(ids) - 1
    chunks = [min(PREFILL_STEP, before - begin) for begin in range(0, before, PREFILL_STEP)]
    return Forwards(tuple(seen), (*chunks, *[1] * tokens))


@dataclass(frozen=True, slots=True)
class Dispatches:
    """How often a reply was handed to the device, and when it was the second time.

    `ahead_s` is how long before the first stamp the second step was dispatched; below 0: after it.
    """

    count: int
    ahead_s: float


def dispatches(subject: Subject, ids: list[int], tokens: int) -> Dispatches:
    """Watch `mx.async_eval` during one reply.

    The stamps count from a start a little after `began`, so `ahead_s` comes out a little too small.
    """
    with _watched_dispatches() as seen:
        began = time.perf_counter()
        stamps = generate(subject, ids, tokens).stamps
    return Dispatches(len(seen), stamps[0] - (seen[1] - began))


@contextmanager
def _watched_dispatches() -> Iterator[Sequence[float]]:
    """When `mx.async_eval` was called, until the block ends."""
    seen: list[float] = []
    dispatch: Callable[..., None] = mx.async_eval

    def watched(*arrays: Any) -> None:
        seen.append(time.perf_counter())
        dispatch(*arrays)

    mx.async_eval = watched
    try:
        yield seen
    finally:
        mx.async_eval = dispatch


def greedy_tokens(subject: Subject, ids: list[int], tokens: int) -> tuple[list[int], list[int]]:
    """The same reply by the loop under test and by mlx-lm's `stream_generate`."""
    ours = [row[0] for row in generate(subject, ids, tokens).tokens]
    theirs = [one.token for one in _mlx_lm(subject, ids, tokens)]
    return ours, theirs


@dataclass(frozen=True, slots=True)
class Paces:
    """Tokens per second of one round, four ways to say it.

    `short` over few tokens, by the loop under test; `differenced` over two lengths, which no
    boundary touches; `native` is mlx-lm's own figure for as few tokens as `short`.
    """

    short: float
    differenced: float
    native: float


def paces(subject: Subject, ids: list[int], short: int, longer: int) -> Iterator[Paces]:
    """Rounds without end, after one that warms up; `longer` tokens lie between the two lengths."""
    _paces(subject, ids, short, longer)
    while True:
        yield _paces(subject, ids, short, longer)


def _paces(subject: Subject, ids: list[int], short: int, longer: int) -> Paces:
    few = generate(subject, ids, short).stamps
    many = generate(subject, ids, short + longer).stamps
    *_, last = _mlx_lm(subject, ids, short)
    mx.synchronize(generation_stream)  # mlx-lm's leftover forward must not run into the next round
    return Paces(
        (short - 1) / (few[-1] - few[0]),
        longer / (many[-1] - few[-1]),
        float(last.generation_tps),
    )


def _mlx_lm(subject: Subject, ids: list[int], tokens: int) -> Iterator[Any]:
    """The same reply by mlx-lm, with the prompt in the same chunks: others round otherwise."""
    return iter(
        stream_generate(
            subject.model,
            subject.tokenizer,
            ids,
            max_tokens=tokens,
            prefill_step_size=PREFILL_STEP,
        )
    )


@dataclass(frozen=True, slots=True)
class Prefill:
    """Seconds of one prompt: by the loop, by a forward that was waited for, by one that was not."""

    loop_s: float
    waited_s: float
    not_waited_s: float


def prefills(subject: Subject, tokens: int) -> Iterator[Prefill]:
    """Rounds without end, after one that warms up."""
    _prefill(subject, tokens)
    while True:
        yield _prefill(subject, tokens)


def _prefill(subject: Subject, tokens: int) -> Prefill:
    ids = mx.array([prompt(tokens)])
    request = loop.Request(ids, 1, True, tokens, sample_function(GREEDY))
    stamps = subject.run(subject.model, make_prompt_cache(subject.model), request).stamps
    waited = _forward(subject.model, ids, lambda: mx.synchronize(generation_stream))
    not_waited = _forward(subject.model, ids, mx.synchronize)
    return Prefill(stamps[0], waited, not_waited)


def _forward(model: Any, ids: mx.array, wait: Callable[[], None]) -> float:
    """Seconds for a prompt's forwards, as the loop does them, and one wait at the end."""
    cache = make_prompt_cache(model)
    mx.synchronize(generation_stream)
    mx.clear_cache()
    with mx.stream(generation_stream):
        began = time.perf_counter()
        model(ids[:, :-1], cache=cache)
        last = mx.argmax(model(ids[:, -1:], cache=cache)[:, -1, :], axis=-1)
        mx.async_eval(last)
    wait()
    seconds = time.perf_counter() - began
    mx.synchronize(generation_stream)
    return seconds


def build_seconds(subject: Subject, steps: int) -> float:
    """What Python takes to build the graph of one step, as the median of `steps`."""
    cache = make_prompt_cache(subject.model)
    inputs, seconds = mx.array([prompt(1)]), []
    with mx.stream(generation_stream):
        for _ in range(1 + steps):  # the first one may compile
            began = time.perf_counter()
            token = mx.argmax(subject.model(inputs, cache=cache)[:, -1, :], axis=-1)
            seconds.append(time.perf_counter() - began)
            mx.eval(token)
            inputs = token[:, None]
    return statistics.median(seconds[1:])
