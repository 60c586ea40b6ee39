"""The timed loop against mlx-lm itself, and the traps that it must not fall into."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import load, stream_generate
from mlx_lm.generate import generation_stream
from mlx_lm.models.cache import make_prompt_cache

from mlxbench import synthetic
from mlxbench.engines.mlx import loop
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.records import GREEDY, Shape

PROMPT = list(range(100, 180))


@pytest.fixture(scope="module", params=["tiny_dense", "tiny_moe"])
def model_and_tokenizer(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    directory: Path = request.getfixturevalue(request.param)
    model, tokenizer = load(str(directory))[:2]
    tokenizer._eos_token_ids = set()  # mlx-lm has no other way to ignore EOS
    return model, tokenizer


@pytest.fixture(scope="module")
def moe(tiny_moe: Path) -> Any:
    return load(str(tiny_moe))[0]


@pytest.fixture(scope="module")
def device_bound(checkpoint_cache: Path) -> tuple[Any, Any]:
    """A model whose step takes the CPU many times longer than Python takes to build its graph."""
    shape = Shape("qwen3", 1024, 4, 16, 8, 64, 3072, 16384, tie_word_embeddings=False)
    recipe = synthetic.Recipe("device-bound", shape, None, "f32")
    model, tokenizer = load(str(synthetic.ensure(recipe, checkpoint_cache)))[:2]
    tokenizer._eos_token_ids = set()
    return model, tokenizer


def request(
    n: int, pipelined: bool = True, rows: int = 1, prompt: Sequence[int] = PROMPT
) -> loop.Request:
    tokens = mx.array([[token + row for token in prompt] for row in range(rows)])
    return loop.Request(tokens, n, pipelined, 32, sample_function(GREEDY))


def counted(model: Any, calls: list[tuple[int, ...]]) -> Callable[..., mx.array]:
    """The model, noting the shape of the tokens of each forward."""

    def forward(tokens: mx.array, cache: list[Any]) -> mx.array:
        calls.append(tokens.shape)
        return mx.array(model(tokens, cache=cache))

    return forward


@pytest.mark.parametrize("pipelined", [True, False])
def test_n_tokens_take_exactly_n_forwards_after_the_prefill(moe: Any, pipelined: bool) -> None:
    calls: list[tuple[int, ...]] = []
    cache = make_prompt_cache(moe)
    result = loop.run(counted(moe, calls), cache, request(10, pipelined))
    # 79 of 80 prompt tokens in chunks of 32, then the last one and 9 generated ones.
    assert calls == [(1, 32), (1, 32), (1, 15)] + [(1, 1)] * 10
    assert len(result.stamps) == len(result.tokens) == 10
    assert cache[0].offset == len(PROMPT) + 9


@pytest.mark.parametrize("pipelined", [True, False])
def test_greedy_tokens_are_those_of_stream_generate(
    model_and_tokenizer: tuple[Any, Any], pipelined: bool
) -> None:
    model, tokenizer = model_and_tokenizer
    theirs = [r.token for r in stream_generate(model, tokenizer, PROMPT, max_tokens=40)]
    ours = loop.run(model, make_prompt_cache(model), request(40, pipelined))
    assert [row[0] for row in ours.tokens] == theirs
    assert len(set(theirs)) > 10


def test_stamps_rise_and_lie_inside_the_trial(moe: Any) -> None:
    result = loop.run(moe, make_prompt_cache(moe), request(12))
    assert 0 < result.prefill_kv_s < result.stamps[0]
    assert list(result.stamps) == sorted(result.stamps)
    assert result.stamps[-1] <= result.duration_s


def test_each_row_of_a_batch_gets_the_tokens_it_gets_alone(moe: Any) -> None:
    together = loop.run(moe, make_prompt_cache(moe), request(6, rows=3))
    for row in range(3):
        one = request(6, rows=3)
        alone = loop.Request(one.prompt[row : row + 1], 6, True, one.prefill_step_size, one.sample)
        tokens = loop.run(moe, make_prompt_cache(moe), alone).tokens
        assert [values[row] for values in together.tokens] == [values[0] for values in tokens]


def test_generation_ends_at_a_stop_token(moe: Any) -> None:
    free = [row[0] for row in loop.run(moe, make_prompt_cache(moe), request(12)).tokens]
    wanted = next(i for i, token in enumerate(free) if i >= 4 and token not in free[:i])
    base = request(12)
    stopped = loop.Request(
        base.prompt, 12, True, 32, base.sample, stop_tokens=frozenset({free[wanted]})
    )
    tokens = loop.run(moe, make_prompt_cache(moe), stopped).tokens
    assert [row[0] for row in tokens] == free[: wanted + 1]


def test_nan_logits_are_seen_although_argmax_is_quiet_about_them(tiny_dense: Path) -> None:
    model = load(str(tiny_dense))[0]
    model.model.norm.weight = mx.full(model.model.norm.weight.shape, float("nan"))
    result = loop.run(model, make_prompt_cache(model), request(4))
    assert not result.finite
    assert {row[0] for row in result.tokens} == {0}


def test_a_bare_synchronize_returns_before_mlx_lms_stream_is_done(moe: Any) -> None:
    """The trap: it waits on another stream, and what it measures is wrong yet plausible."""
    prompt = mx.array([PROMPT * 6])
    mx.eval(prompt)
    with mx.stream(generation_stream):
        start = time.perf_counter()
        mx.async_eval(moe(prompt))
    mx.synchronize()
    trapped = time.perf_counter() - start
    mx.synchronize(generation_stream)
    complete = time.perf_counter() - start
    assert trapped < 0.9 * complete


def test_mlx_lms_rate_is_ours_times_n_over_n_minus_1(device_bound: tuple[Any, Any]) -> None:
    """N tokens have N-1 intervals; mlx-lm divides N by them: a fifth too much at N = 6.

    Only where the device is slower than Python is every interval one step of the device: that is
    how people run it, and why this model is larger than the others here.
    """
    model, tokenizer = device_bound
    n = 6

    def ours() -> float:
        stamps = loop.run(model, make_prompt_cache(model), request(n, prompt=PROMPT[:4])).stamps
        return (n - 1) / (stamps[-1] - stamps[0])

    def theirs() -> float:
        *_, last = stream_generate(model, tokenizer, PROMPT[:4], max_tokens=n)
        mx.synchronize(generation_stream)  # its leftover forward must not run into our next trial
        return float(last.generation_tps)

    ours(), theirs()
    ratios = []
    for pair in range(12):
        first, second = (ours, theirs) if pair % 2 else (theirs, ours)
        figures = {function: function() for function in (first, second)}
        ratios.append(figures[theirs] / figures[ours])
    assert statistics.median(ratios) == pytest.approx(n / (n - 1), rel=0.06)
