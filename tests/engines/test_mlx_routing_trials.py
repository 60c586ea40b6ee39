"""A routing lasts as long as its trial: nothing of it stays, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import engines
from mlxbench.engines.mlx import MlxLoaded, load, routing
from mlxbench.records import BAN, Options, Routing, Timed
from tests.engines.routed import (
    BIASED,
    CHAT,
    FEWER,
    HALF_BANNED,
    ONE,
    completed,
    every,
    logits,
    state,
    target,
)


@pytest.fixture(scope="module")
def model(tiny_moe: Path) -> Any:
    return load.load(tiny_moe)


@pytest.fixture(scope="module")
def half(tiny_moe: Path) -> Any:
    """The same in bf16, where scores of different logits may be equal."""
    loaded = load.load(tiny_moe)
    loaded.set_dtype(mx.bfloat16)
    return loaded


@pytest.fixture
def loaded(tiny_moe: Path) -> Iterator[MlxLoaded]:
    opened = engines.engine("mlx").open(target(tiny_moe))
    assert isinstance(opened, MlxLoaded)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "changed",
    [FEWER, BIASED, Routing(2, every(0.5, 1), selection_only=False), replace(BIASED, top_k=6)],
)
def test_everything_is_restored_exactly_also_after_an_exception_and_nested(
    model: Any, changed: Routing
) -> None:
    before, stock = state(model), logits(model)
    logits(model, changed)
    assert state(model) == before
    with pytest.raises(KeyboardInterrupt), routing.applied(model, changed):
        raise KeyboardInterrupt
    assert state(model) == before
    for outer in (FEWER, BIASED):
        with routing.applied(model, outer):
            within = state(model)
            between = logits(model)
            logits(model, changed)
            assert state(model) == within
            assert mx.array_equal(logits(model), between).item()
    assert state(model) == before
    assert mx.array_equal(logits(model), stock).item()


def test_of_two_selections_the_inner_one_counts(model: Any) -> None:
    alone = logits(model, Routing(biases=every(1.0, 5)))
    with routing.applied(model, Routing(biases=every(BAN, 0))):
        assert mx.array_equal(logits(model, Routing(biases=every(1.0, 5))), alone).item()


def test_another_model_of_the_same_class_is_left_alone(model: Any, half: Any) -> None:
    stock = logits(half)
    with routing.applied(model, BIASED):
        assert mx.array_equal(logits(half), stock).item()


@pytest.mark.parametrize("kind", ["decode", "prefill", "request"])
def test_trials_run_under_their_routing_and_share_no_context_with_others(
    loaded: MlxLoaded, kind: Any
) -> None:
    task = Timed(kind, prompt_tokens=40, generation_tokens=12, depth=30)

    def tokens(changed: Routing | None) -> object:
        return completed(loaded.run(task, Options(routing=changed), seed=0)).tokens

    settings = (None, ONE, HALF_BANNED)
    alone = {}
    for changed in settings:
        loaded.run(replace(task, depth=1), Options(), seed=0)  # leaves a context of another task
        alone[changed] = tokens(changed)
    if kind != "prefill":  # which has one token only
        assert len(set(alone.values())) == 3
    for changed in (None, HALF_BANNED, ONE, None, ONE, HALF_BANNED):
        assert tokens(changed) == alone[changed]
    assert tokens(Routing()) == alone[None]


def test_replies_run_under_their_routing_one_by_one_and_in_batches(loaded: MlxLoaded) -> None:
    before = state(loaded.model)
    seen = set()
    for changed in (None, ONE, HALF_BANNED):
        options = Options(routing=changed)
        alone = completed(loaded.run(CHAT, options, seed=0))
        batched = dict(loaded.reply_all({0: CHAT, 1: CHAT}, options, batch_size=2))
        assert {completed(trial).tokens for trial in batched.values()} == {alone.tokens}
        seen.add(alone.tokens)
    assert len(seen) == 3
    assert state(loaded.model) == before
