"""The mixture block taken apart: nothing changes by itself, and what cannot be known is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import mixtral
from mlx_lm.models.qwen3_moe import Qwen3MoeSparseMoeBlock
from mlx_lm.models.switch_layers import SwitchGLU

from mlxbench.engines.mlx import load, routing
from mlxbench.errors import InputError
from mlxbench.lab import moe_stages
from mlxbench.lab.moe_stages import Stages
from mlxbench.records import ExpertBias, Options, Routing
from tests.kernels.models import EXPERTS, LAYERS, TOP_K, greedy, prompt, small_mixture, state

TOKENS = 4


@pytest.fixture(scope="module")
def model(tiny_moe: Path) -> Any:
    return load.load(tiny_moe)


@pytest.fixture(scope="module")
def half(tiny_moe: Path) -> Any:
    """The same in bf16, whose roundings depend on the order of the operations."""
    loaded = load.load(tiny_moe)
    loaded.set_dtype(mx.bfloat16)
    return loaded


def nothing(_: Any) -> Stages:
    return Stages()


def stock_router(block: Any, calls: list[str]) -> moe_stages.Router:
    def router(logits: mx.array) -> tuple[mx.array, mx.array]:
        calls.append("router")
        return moe_stages.stock_router(logits, block.top_k, block.norm_topk_prob)

    return router


@pytest.mark.parametrize("precision", ["model", "half"])
def test_with_nothing_replaced_no_bit_of_the_logits_changes(
    request: pytest.FixtureRequest, precision: str
) -> None:
    model = request.getfixturevalue(precision)
    tokens, logits = greedy(model, prompt(2), TOKENS)
    with moe_stages.replaced(model, nothing) as blocks:
        assert blocks == LAYERS
        assert type(model.layers[0].mlp) is not Qwen3MoeSparseMoeBlock
        again, same = greedy(model, prompt(2), TOKENS)
    assert mx.array_equal(again, tokens).item()
    assert mx.array_equal(same, logits).item()


@pytest.mark.parametrize("precision", ["model", "half"])
def test_stock_stages_in_every_place_change_no_bit_either(
    request: pytest.FixtureRequest, precision: str
) -> None:
    model = request.getfixturevalue(precision)
    calls: list[str] = []

    def stages(block: Any) -> Stages:
        switch = block.switch_mlp

        def gate_up(
            x: mx.array, indices: mx.array, project: moe_stages.Project
        ) -> tuple[mx.array, mx.array]:
            calls.append("gate_up")
            return project(switch.up_proj, x, indices), project(switch.gate_proj, x, indices)

        def project(linear: Any, x: mx.array, indices: mx.array) -> mx.array:
            calls.append("project")
            return moe_stages.stock_project(linear, x, indices)

        return Stages(router=stock_router(block, calls), gate_up=gate_up, project=project)

    _, logits = greedy(model, prompt(), TOKENS)
    with moe_stages.replaced(model, stages):
        _, same = greedy(model, prompt(), TOKENS)
    assert mx.array_equal(same, logits).item()
    steps = LAYERS * TOKENS
    assert [calls.count(each) for each in ("router", "gate_up", "project")] == [
        steps,
        steps,
        3 * steps,
    ]


def test_experts_as_a_whole_get_what_the_router_gave(model: Any) -> None:
    def stages(block: Any) -> Stages:
        def experts(x: mx.array, indices: mx.array, scores: mx.array) -> mx.array:
            assert (indices.shape, scores.shape) == ((1, 1, TOP_K), (1, 1, TOP_K))
            y = moe_stages.stock_experts(block.switch_mlp, x, indices, Stages())
            return moe_stages.weighted_sum(y, scores)

        return Stages(experts=experts)

    _, logits = greedy(model, prompt(), TOKENS)
    with moe_stages.replaced(model, stages):
        _, same = greedy(model, prompt(), TOKENS)
    assert mx.array_equal(same, logits).item()


def test_a_models_blocks_are_restored_exactly(model: Any) -> None:
    before = state(model)
    with (
        moe_stages.replaced(model, nothing),
        moe_stages.replaced(model, lambda block: Stages(router=stock_router(block, []))),
    ):
        assert state(model) != before
    assert state(model) == before


def test_they_are_restored_when_the_measurement_fails(model: Any) -> None:
    before = state(model)
    with pytest.raises(ZeroDivisionError), moe_stages.replaced(model, nothing):
        _ = 1 / 0
    assert state(model) == before


def test_a_refusal_at_a_later_block_restores_the_earlier_ones(model: Any) -> None:
    before = state(model)

    def picky(block: Any) -> Stages:
        if block is model.layers[-1].mlp:
            raise InputError("not this one", "take another")
        return Stages(router=stock_router(block, []))

    with pytest.raises(InputError), moe_stages.replaced(model, picky):
        pass
    assert state(model) == before


def test_another_model_of_the_same_kind_is_left_alone(model: Any) -> None:
    other, calls = small_mixture(), list[str]()
    with moe_stages.replaced(model, lambda block: Stages(router=stock_router(block, calls))):
        greedy(other, prompt(), 2)
        assert type(other.layers[0].mlp) is Qwen3MoeSparseMoeBlock
    assert calls == []


def test_prompts_and_batches_that_mlx_lm_sorts_are_not_staged(model: Any) -> None:
    calls: list[str] = []
    sorted_from = moe_stages.SORTED_FROM // TOP_K
    with moe_stages.replaced(model, lambda block: Stages(router=stock_router(block, calls))):
        model(prompt())
        model(prompt(sorted_from)[:, :1])
        assert calls == []
        model(prompt(sorted_from - 1)[:, :1])
    assert len(calls) == LAYERS


def test_dense_layers_between_the_mixtures_are_passed_by() -> None:
    model, calls = small_mixture(mlp_only_layers=[0]), list[str]()
    with moe_stages.replaced(model, lambda block: Stages(router=stock_router(block, calls))) as n:
        model(prompt()[:, :1])
    assert (n, len(calls)) == (1, 1)


# ---- together with routing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "routed",
    [Routing(top_k=2), Routing(biases=(ExpertBias(None, 3, 2.0),), selection_only=False)],
    ids=["top-k", "bias"],
)
@pytest.mark.parametrize("inside", [True, False])
def test_changed_top_k_and_biased_logits_reach_the_stages(
    model: Any, routed: Routing, inside: bool
) -> None:
    calls: list[str] = []
    with routing.applied(model, routed):
        _, logits = greedy(model, prompt(), 2)
    staged = moe_stages.replaced(model, lambda block: Stages(router=stock_router(block, calls)))
    around = routing.applied(model, routed)
    outer, inner = (around, staged) if inside else (staged, around)
    with outer, inner:
        _, same = greedy(model, prompt(), 2)
    assert mx.array_equal(same, logits).item()
    assert len(calls) == 2 * LAYERS


def test_a_selection_that_stages_would_not_see_is_refused(model: Any) -> None:
    favoured = Routing(biases=(ExpertBias(None, 3, 2.0),), selection_only=True)
    with (
        routing.applied(model, favoured),
        pytest.raises(InputError, match="no mixture block that kernels are known to fit"),
        moe_stages.replaced(model, nothing),
    ):
        pass


def test_the_log_of_chosen_experts_is_complete_while_stages_are_installed(model: Any) -> None:
    def unused(*_: mx.array) -> mx.array:
        raise AssertionError("the log would miss what this computes")

    one_by_one = Options(prefill_step_size=1)
    counted = routing.count_experts(model, prompt(), one_by_one)
    with moe_stages.replaced(model, lambda block: Stages(experts=unused)):
        assert routing.count_experts(model, prompt(), one_by_one) == counted


# ---- what is refused -----------------------------------------------------------------------------


def refused(model: Any, why: str) -> None:
    before = state(model) if hasattr(model.layers[0], "mlp") else None
    with pytest.raises(InputError, match=why), moe_stages.replaced(model, nothing):
        pass
    assert before is None or state(model) == before


def test_a_dense_model_is_refused(tiny_dense: Path) -> None:
    refused(load.load(tiny_dense), "the model has no experts")


def test_a_mixture_of_another_family_is_refused() -> None:
    args = mixtral.ModelArgs(
        "mixtral",
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=2,
    )
    refused(mixtral.Model(args), "kernels are known to fit")


def test_a_sharded_block_is_refused() -> None:
    model = small_mixture()
    model.layers[1].mlp.sharding_group = object()
    refused(model, "kernels are known to fit")


def test_experts_with_another_activation_are_refused() -> None:
    model = small_mixture()
    model.layers[0].mlp.switch_mlp = SwitchGLU(64, 64, 8, activation=lambda up, gate: up)
    refused(model, "kernels are known to fit")


def test_a_block_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Qwen3MoeSparseMoeBlock.__call__
    monkeypatch.setattr(Qwen3MoeSparseMoeBlock, "__call__", lambda block, x: own(block, x) * 1.001)
    refused(small_mixture(), "kernels are known to fit")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"router"}, {"router"}),
        ({"experts"}, {"experts"}),
        ({"experts"}, {"gate_up"}),
        ({"project"}, {"experts"}),
        ({"gate_up", "project"}, {"project"}),
    ],
)
def test_stages_of_which_one_would_not_be_called_are_refused(
    model: Any, first: set[str], second: set[str]
) -> None:
    def filled(names: set[str]) -> Stages:
        unused: Any = dict.fromkeys(names, print)
        return Stages(**unused)

    before = state(model)
    with (
        pytest.raises(InputError, match="two kernel experiments replace"),
        moe_stages.replaced(model, lambda _: filled(first)),
        moe_stages.replaced(model, lambda _: filled(second)),
    ):
        pass
    assert state(model) == before


def test_the_experts_of_the_fixture_are_as_many_as_these_tests_say(model: Any) -> None:
    block = model.layers[0].mlp
    assert (len(model.layers), block.num_experts, block.top_k) == (LAYERS, EXPERTS, TOP_K)
