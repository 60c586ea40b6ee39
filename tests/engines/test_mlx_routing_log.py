"""How often each expert of a mixture was chosen over a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlxbench import engines
from mlxbench.engines.mlx import MlxLoaded, load, routing
from mlxbench.errors import InputError
from mlxbench.records import BAN, ExpertBias, Message, Options, Routing
from tests.engines.routed import (
    BIASED,
    CHAT,
    EXPERTS,
    LAYERS,
    LENGTH,
    TOP_K,
    completed,
    counts,
    every,
    logits,
    mixture,
    prompt,
    state,
    target,
)


@pytest.fixture(scope="module")
def model(tiny_moe: Path) -> Any:
    return load.load(tiny_moe)


@pytest.fixture
def loaded(tiny_moe: Path) -> Iterator[MlxLoaded]:
    opened = engines.engine("mlx").open(target(tiny_moe))
    assert isinstance(opened, MlxLoaded)
    yield opened
    opened.close()


def test_the_log_is_what_the_routers_logits_say(model: Any) -> None:
    layer = model.layers[0]
    h = model.model.embed_tokens(prompt())
    h = h + layer.self_attn(layer.input_layernorm(h), "causal", None)
    scores = np.array(layer.mlp.gate(layer.post_attention_layernorm(h)))[0]
    best = np.argsort(-scores)[:, :TOP_K]
    assert counts(model)[0].tolist() == np.bincount(best.ravel(), minlength=EXPERTS).tolist()


def test_a_log_counts_every_position_and_depends_on_the_prompt(model: Any) -> None:
    first, second = counts(model), counts(model, tokens=prompt(1))
    assert first.shape == (LAYERS, EXPERTS)
    assert (first.sum(axis=1) == LENGTH * TOP_K).all()
    assert (first != second).any(axis=1).all()
    assert counts(model, tokens=prompt(length=1)).sum() == LAYERS * TOP_K


@pytest.mark.parametrize("step", [1, 7, 23, 24])
def test_a_prefill_in_chunks_gives_the_same_log(model: Any, step: int) -> None:
    assert (counts(model, BIASED, step=step) == counts(model, BIASED)).all()


def test_counting_leaves_the_model_as_it_was(model: Any) -> None:
    before = state(model)
    counts(model, BIASED)
    assert state(model) == before


def test_a_layer_without_a_router_has_no_log_and_takes_no_bias() -> None:
    partly = mixture(mlp_only_layers=[1])
    log = routing.count_experts(partly, prompt(), Options(routing=Routing(biases=every(BAN, 0))))
    assert log[1] is None
    assert [layer and layer[0] for layer in log] == [0, None, 0]
    assert [layer and sum(layer) for layer in log] == [2 * LENGTH, None, 2 * LENGTH]
    with pytest.raises(InputError, match="layer 1, which has no router"):
        logits(partly, Routing(biases=(ExpertBias(1, 0, 1.0),)))


def test_a_chats_route_counts_its_whole_prompt(loaded: MlxLoaded) -> None:
    length = completed(loaded.run(CHAT, Options(), seed=0)).prompt_tokens
    log = loaded.route(CHAT, Options(), seed=0)
    assert [layer and sum(layer) for layer in log] == [length * TOP_K] * LAYERS
    assert loaded.route(CHAT, Options(), seed=0) == log
    assert loaded.route(CHAT, Options(prefill_step_size=3, kv_bits=8), seed=0) != ()
    banned = loaded.route(CHAT, Options(routing=Routing(biases=every(BAN, 4))), seed=0)
    assert [layer and layer[4] for layer in banned] == [0] * LAYERS
    other = replace(CHAT, messages=(Message("user", "Count to ten."),))
    assert loaded.route(other, Options(), seed=0) != log
    unique = replace(CHAT, unique=True)
    assert loaded.route(unique, Options(), seed=1) != loaded.route(unique, Options(), seed=2)
