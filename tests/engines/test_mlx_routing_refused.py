"""Routings that a model or an engine cannot have are refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.models import mixtral, olmoe, qwen3_moe

from mlxbench import engines, roofline
from mlxbench.engines.mlx import MlxLoaded, load, routers, routing
from mlxbench.errors import InputError
from mlxbench.records import BAN, PIN, Arm, ExpertBias, Options, Routing, Target, Timed
from mlxbench.tokenizer import read_json
from tests.engines.routed import (
    BIASED,
    CHAT,
    FEWER,
    LENGTH,
    counts,
    every,
    logits,
    made,
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


def test_a_changed_block_is_refused_as_one_whose_call_is_not_the_known_one(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = qwen3_moe.Qwen3MoeSparseMoeBlock.__call__
    monkeypatch.setattr(
        qwen3_moe.Qwen3MoeSparseMoeBlock, "__call__", lambda block, x: own(block, x) * 1.001
    )
    with pytest.raises(InputError, match="Qwen3MoeSparseMoeBlock"):
        logits(model, BIASED)


def test_a_refused_routing_leaves_the_model_as_it_was(model: Any) -> None:
    before = state(model)
    with pytest.raises(InputError):
        logits(model, Routing(2, every(PIN, 1, 2, 3)))
    assert state(model) == before


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (Routing(top_k=0), "top_k is 0"),
        (Routing(top_k=17), "top_k is 17, and a layer has 16 experts"),
        (Routing(biases=(ExpertBias(4, 0, 1.0),)), "layer 4, and the model has 4 layers"),
        (Routing(biases=(ExpertBias(-1, 0, 1.0),)), "layer -1"),
        (Routing(biases=every(1.0, 16)), "expert 16, and a layer has 16"),
        (Routing(biases=(ExpertBias(0, -1, 1.0),)), "expert -1"),
        (Routing(biases=every(PIN, 0, 1, 2, 3, 4)), "5 pinned experts and runs 4"),
        (Routing(1, (ExpertBias(2, 0, PIN), ExpertBias(None, 1, PIN))), "layer 2 has 2 pinned"),
        (Routing(biases=every(BAN, *range(13))), "leave layer 0 with 3 experts, and it runs 4"),
        (Routing(5, every(BAN, *range(12)), False), "with 4 experts, and it runs 5"),
        (Routing(biases=every(PIN, 3), selection_only=False), "expert 3 of layer 0 is pinned by"),
        (Routing(biases=(*every(BAN, 3), ExpertBias(1, 3, PIN))), "layer 1 is both banned and"),
        (Routing(biases=every(float("nan"), 3)), "expert 3 of layer 0 is nan"),
        (Routing(biases=every(20_000.0, 3)), "is 20000; give at most 10000"),
    ],
)
def test_a_wrong_routing_is_refused_in_one_line_from_the_model_and_from_its_files_alone(
    model: Any, tiny_moe: Path, changed: Routing, what: str
) -> None:
    arm = Arm(target(tiny_moe), CHAT, Options(routing=changed))
    with pytest.raises(InputError, match=what) as caught:
        engines.engine("mlx").predict_memory(arm.target, [arm])
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=what):
        logits(model, changed)


@pytest.mark.parametrize("changed", [Routing(), FEWER, BIASED])
def test_a_dense_model_has_no_routers(tiny_dense: Path, changed: Routing) -> None:
    shape = roofline.shape_from_config(read_json(tiny_dense / "config.json"))
    assert shape is not None
    with pytest.raises(InputError, match="4 layers are all dense"):
        routers.check(shape, changed)
    dense = load.load(tiny_dense)
    with pytest.raises(InputError, match="4 layers are all dense"):
        logits(dense, changed)
    with pytest.raises(InputError, match="4 layers are all dense; use a mixture"):
        routing.count_experts(dense, prompt(), Options())


def test_a_block_that_computes_something_else_is_refused_by_its_name() -> None:
    common = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "vocab_size": 4096,
    }
    experts = {"model_type": "olmoe", "num_experts": 8, "num_experts_per_tok": 4}
    other = made(olmoe, common | experts)
    assert (counts(other, FEWER).sum(axis=1) == 2 * LENGTH).all()
    with pytest.raises(InputError, match="OlmoeSparseMoeBlock"):
        logits(other, Routing(biases=every(1.0, 3)))
    further = made(mixtral, common | {"model_type": "mixtral", "num_local_experts": 8})
    with pytest.raises(InputError, match="MixtralDecoderLayer"):
        logits(further, FEWER)


def test_a_routing_that_a_loaded_model_cannot_have_is_refused_at_the_first_trial(
    loaded: MlxLoaded,
) -> None:
    options = Options(routing=Routing(top_k=99))
    with pytest.raises(InputError, match="top_k is 99"):
        loaded.run(CHAT, options, seed=0)
    with pytest.raises(InputError, match="top_k is 99"):
        loaded.route(CHAT, options, seed=0)
    with pytest.raises(InputError, match="top_k is 99"):
        next(loaded.reply_all({0: CHAT}, options, batch_size=2))


@pytest.mark.parametrize("engine", ["ollama", "openai", "sim"])
def test_other_engines_say_that_they_cannot_change_routers(engine: str) -> None:
    nowhere = Target(engine, "qwen3:tiny", "http://127.0.0.1:9" if engine != "sim" else "itl=0.01")
    task = Timed("request")
    for changed in (FEWER, Routing()):
        arm = Arm(nowhere, task, Options(routing=changed))
        with pytest.raises(InputError, match="routers"):
            engines.engine(engine).predict_memory(nowhere, [arm])
