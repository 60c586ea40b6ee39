"""Routers changed on real mixtures: which experts run, and with which weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.engines.mlx import load, routing
from mlxbench.records import BAN, PIN, ExpertBias, Routing
from tests.engines.routed import EXPERTS, LENGTH, TOP_K, counts, every, logits


@pytest.fixture(scope="module")
def model(tiny_moe: Path) -> Any:
    return load.load(tiny_moe)


@pytest.fixture(scope="module")
def half(tiny_moe: Path) -> Any:
    """The same in bf16, where scores of different logits may be equal."""
    loaded = load.load(tiny_moe)
    loaded.set_dtype(mx.bfloat16)
    return loaded


@pytest.mark.parametrize("selection_only", [True, False])
@pytest.mark.parametrize("precision", ["model", "half"])
def test_biases_of_zero_change_no_bit_of_the_logits(
    request: pytest.FixtureRequest, precision: str, selection_only: bool
) -> None:
    model = request.getfixturevalue(precision)
    zero = Routing(TOP_K, every(0.0, *range(EXPERTS)), selection_only)
    assert mx.array_equal(logits(model, zero), logits(model)).item()


def test_where_scores_tie_the_models_own_choice_is_made_and_not_that_of_the_logits(
    half: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = half.layers[0].mlp
    x = inputs(block).astype(mx.bfloat16) * 0.05  # small logits, so that many scores are equal

    def unchanged() -> bool:
        with routing.applied(half, Routing(biases=every(0.0, 0))):
            zero = block(x)
            mx.eval(zero)
        return bool(mx.array_equal(zero, block(x)).item())

    def by_logits(self: routing._Selection, logits: mx.array) -> mx.array:
        return logits + self.biases.astype(logits.dtype) + self.lifts.astype(logits.dtype)

    scores = mx.softmax(block.gate(x), axis=-1, precise=True).astype(mx.float32)
    assert any(len(set(row)) < EXPERTS for row in np.array(scores)[0].tolist())
    assert unchanged()
    monkeypatch.setattr(routing._Selection, "scores", by_logits)
    monkeypatch.setattr(routing, "_refuse_unlike", lambda *_: None)
    assert not unchanged()


@pytest.mark.parametrize("selection_only", [True, False])
@pytest.mark.parametrize("precision", ["model", "half"])
def test_banned_experts_are_never_chosen(
    request: pytest.FixtureRequest, precision: str, selection_only: bool
) -> None:
    model = request.getfixturevalue(precision)
    assert counts(model)[:, [0, 9]].all()
    banned = counts(model, Routing(biases=every(BAN, 0, 9), selection_only=selection_only))
    assert not banned[:, [0, 9]].any()
    assert (banned.sum(axis=1) == LENGTH * TOP_K).all()
    only_four = Routing(biases=every(BAN, *range(TOP_K, EXPERTS)), selection_only=selection_only)
    assert (counts(model, only_four)[:, :TOP_K] == LENGTH).all()


def test_a_ban_in_one_layer_leaves_the_others_free(model: Any) -> None:
    banned = counts(model, Routing(biases=(ExpertBias(1, 0, BAN),)))
    assert banned[1, 0] == 0
    assert banned[[0, 2, 3], 0].all()
    assert (banned[0] == counts(model)[0]).all()  # it comes before the layer with the ban


@pytest.mark.parametrize("precision", ["model", "half"])
def test_pinned_experts_always_run_and_the_best_of_the_others_with_them(
    request: pytest.FixtureRequest, precision: str
) -> None:
    model = request.getfixturevalue(precision)
    log = counts(model, Routing(biases=every(PIN, 2, 11)))
    assert (log[:, [2, 11]] == LENGTH).all()
    assert (log.sum(axis=1) == LENGTH * TOP_K).all()
    all_pinned = counts(model, Routing(biases=every(PIN, 1, 2, 3, 4)))
    assert (all_pinned[:, 1:5] == LENGTH).all()


def test_a_ban_and_a_pin_leave_the_order_of_the_other_experts_alone(model: Any) -> None:
    block = model.layers[0].mlp
    with routing.applied(model, Routing(biases=(*every(BAN, 0), *every(PIN, 5)))):
        seen = chosen(block)
    free = order(block)
    for row, best in zip(seen, free, strict=True):
        others = [expert for expert in best if expert not in (0, 5)]
        assert set(row) == {5, *others[: TOP_K - 1]}


@pytest.mark.parametrize("selection_only", [True, False])
def test_a_promoted_expert_is_chosen_more_often_and_a_demoted_one_less(
    model: Any, selection_only: bool
) -> None:
    def log(bias: float) -> np.ndarray[Any, Any]:
        return counts(model, Routing(biases=every(bias, 6), selection_only=selection_only))

    less, same, more = log(-1.0)[:, 6], log(0.0)[:, 6], log(1.0)[:, 6]
    assert (less < same).all()
    assert (same < more).all()


@pytest.mark.parametrize("selection_only", [True, False])
def test_biases_of_one_expert_add_up(model: Any, selection_only: bool) -> None:
    both = (ExpertBias(None, 6, 0.75), ExpertBias(1, 6, -0.25))
    summed = (*(ExpertBias(layer, 6, 0.75) for layer in (0, 2, 3)), ExpertBias(1, 6, 0.5))
    ways = [Routing(None, biases, selection_only) for biases in (both, summed, both[:1])]
    added, given, other = (logits(model, way) for way in ways)
    assert mx.array_equal(added, given).item()
    assert not mx.array_equal(added, other).item()


@pytest.mark.parametrize("top_k", [1, 2, EXPERTS])
@pytest.mark.parametrize("selection_only", [True, False])
def test_any_number_of_experts_runs(model: Any, top_k: int, selection_only: bool) -> None:
    for biases in ((), every(0.5, 3)):
        changed = Routing(top_k, biases, selection_only)
        assert (counts(model, changed).sum(axis=1) == LENGTH * top_k).all()
        assert mx.isfinite(logits(model, changed)).all().item()
    assert not mx.array_equal(logits(model, Routing(top_k)), logits(model)).item()


def inputs(block: Any) -> mx.array:
    """Something like what a block gets [1, 12, hidden]."""
    hidden = block.switch_mlp.down_proj.scales.shape[-2]
    return mx.random.normal((1, 12, hidden), key=mx.random.key(3))


def chosen(block: Any) -> list[list[int]]:
    """What a block's experts are called with, for each of its `inputs`."""
    seen: list[mx.array] = []
    inner = block.switch_mlp

    class Spy(type(inner)):  # type: ignore[misc]
        def __call__(self, x: mx.array, indices: mx.array) -> Any:
            seen.append(indices)
            return super().__call__(x, indices)

    inner.__class__ = Spy
    try:
        mx.eval(block(inputs(block)))
    finally:
        inner.__class__ = Spy.__base__
    return np.array(seen[0])[0].tolist()  # type: ignore[no-any-return]


def order(block: Any) -> list[list[int]]:
    """The experts of a block by falling logit, for each of its `inputs`."""
    return np.argsort(-np.array(block.gate(inputs(block))))[0].tolist()  # type: ignore[no-any-return]


def expected(block: Any, choice: list[list[int]], bias: np.ndarray[Any, Any]) -> Any:
    """A block's output in f64, expert by expert, from the scores of its logits plus `bias`."""
    x = inputs(block)
    scores = np.exp(np.array(block.gate(x))[0].astype(np.float64) + bias)
    scores /= scores.sum(axis=1, keepdims=True)
    weights = np.zeros_like(scores)
    for row, experts in enumerate(choice):
        weights[row, experts] = scores[row, experts]
    if block.norm_topk_prob:
        weights /= weights.sum(axis=1, keepdims=True)
    each = block.switch_mlp(x, mx.broadcast_to(mx.arange(EXPERTS), (*x.shape[:2], EXPERTS)))
    return (np.array(each)[0] * weights[..., None]).sum(axis=1)


def weights_are(block: Any, bias: np.ndarray[Any, Any]) -> bool:
    output = np.array(block(inputs(block)))[0]
    return np.allclose(output, expected(block, chosen(block), bias), rtol=1e-4, atol=1e-5)


LOGIT_BIAS = np.where(np.arange(EXPERTS) == 3, 1.5, 0.0)


@pytest.mark.parametrize("normed", [True, False])
def test_a_selection_weights_what_runs_with_unbiased_scores_and_a_logit_bias_does_not(
    model: Any, monkeypatch: pytest.MonkeyPatch, normed: bool
) -> None:
    block = model.layers[1].mlp
    monkeypatch.setattr(block, "norm_topk_prob", normed)
    biases = every(1.5, 3)
    with routing.applied(model, Routing(biases=biases)):
        assert 3 in chosen(block)[0]
        assert weights_are(block, np.zeros(EXPERTS))
        assert not weights_are(block, LOGIT_BIAS)
    gate = block.gate
    with routing.applied(model, Routing(biases=biases, selection_only=False)):
        both = np.array(block(inputs(block)))[0]
        ran = chosen(block)
    assert block.gate is gate
    assert np.allclose(both, expected(block, ran, LOGIT_BIAS), rtol=1e-4, atol=1e-5)


def biased_forward(block: Any, x: mx.array, selection: routing._Selection) -> mx.array:
    """The mistake to be caught: it weights with the scores that it selects on."""
    gates = mx.softmax(block.gate(x) + selection.biases, axis=-1, precise=True)
    k = block.top_k
    best = mx.argpartition(gates + selection.lifts, kth=-k, axis=-1)[..., -k:]
    scores = mx.take_along_axis(gates, best, axis=-1)
    scores /= mx.sum(scores, axis=-1, keepdims=True)
    y: mx.array = block.switch_mlp(x, best)
    return (y * scores[..., None]).sum(axis=-2).astype(y.dtype)


def test_weighting_with_biased_scores_would_be_caught(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "_forward", biased_forward)
    block = model.layers[1].mlp
    with routing.applied(model, Routing(biases=every(1.5, 3))):
        assert not weights_are(block, np.zeros(EXPERTS))
