"""Experiments swapped into a mixture: its own tokens, every layer reached, nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.nn.layers.quantized import quantize

from mlxbench.engines.mlx import load
from mlxbench.errors import InputError
from tests.kernels.judging import FOUND
from tests.kernels.models import (
    LAYERS,
    arrays,
    greedy,
    installed,
    prompt,
    small_mixture,
    state,
    values,
)

TOKENS = 6
NEAR = 2e-5  # of logits up to 5 that float32 adds up in another order
SETS = [
    *((name,) for name in FOUND),
    ("gate_up_concat", "cached_lhs_indices"),
    ("softmax_topk", "gate_up_concat", "cached_lhs_indices"),
    ("cached_lhs_indices", "gate_up_concat", "softmax_topk"),
    ("softmax_topk", "moe_experts"),
    ("moe_experts", "softmax_topk"),
]
TRICKS = ("gate_up_concat", "cached_lhs_indices")
MATRIX_PARTS = ("weight", "scales", "biases")


@pytest.fixture(scope="module")
def model(tiny_moe: Path) -> Any:
    return load.load(tiny_moe)


@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_greedy_tokens_are_the_models_own_and_every_layer_was_reached(
    model: Any, names: tuple[str, ...]
) -> None:
    tokens, logits = greedy(model, prompt(), TOKENS)
    with installed(model, *names) as calls:
        swapped, near = greedy(model, prompt(), TOKENS)
    assert calls == dict.fromkeys(names, TOKENS * LAYERS)
    assert mx.array_equal(swapped, tokens).item()
    assert float(mx.abs(near - logits).max()) < NEAR
    after, same = greedy(model, prompt(), TOKENS)
    assert mx.array_equal(after, tokens).item()
    assert mx.array_equal(same, logits).item()


@pytest.mark.parametrize("name", list(FOUND))
def test_a_batch_of_sequences_is_decoded_alike(model: Any, name: str) -> None:
    tokens, _ = greedy(model, prompt(3), 2)
    with installed(model, name) as calls:
        swapped, _ = greedy(model, prompt(3), 2)
    assert calls == {name: 2 * LAYERS}
    assert mx.array_equal(swapped, tokens).item()


@pytest.mark.parametrize("name", list(FOUND))
def test_prefill_stays_mlx_lms_own_to_the_bit(model: Any, name: str) -> None:
    logits = model(prompt())
    with installed(model, name) as calls:
        same = model(prompt())
        assert mx.array_equal(same, logits).item()
    assert calls == {}


@pytest.mark.parametrize("name", list(FOUND))
def test_the_model_is_restored_exactly(model: Any, name: str) -> None:
    before, copies = state(model), values(model)
    with installed(model, name):
        pass
    if name != "gate_up_concat":  # which has to make the arrays anew
        assert state(model) == before
    else:
        assert state(model)[: -len(arrays(model))] == before[: -len(arrays(model))]
    restored = values(model)
    assert list(restored) == list(copies)
    assert all(mx.array_equal(restored[key], copies[key]).item() for key in copies)


@pytest.mark.parametrize(
    "names",
    [("moe_experts", "gate_up_concat"), ("cached_lhs_indices", "moe_experts")],
    ids="+".join,
)
def test_what_cannot_run_together_is_refused_and_leaves_the_model_as_it_was(
    model: Any, names: tuple[str, ...]
) -> None:
    copies = values(model)
    with pytest.raises(InputError, match="two kernel experiments"), installed(model, *names):
        pass
    restored = values(model)
    assert all(mx.array_equal(restored[key], copies[key]).item() for key in copies)


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("bits", [None, 8])
def test_tricks_fit_experts_that_are_not_4_bit(name: str, bits: int | None) -> None:
    model = small_mixture(mlp_only_layers=[0])
    if bits:
        quantize(model, 64, bits)
    tokens, logits = greedy(model, prompt(), 3)
    with installed(model, name) as calls:
        swapped, same = greedy(model, prompt(), 3)
    assert calls == {name: 3}
    assert mx.array_equal(swapped, tokens).item()
    assert mx.array_equal(same, logits).item()


@pytest.mark.parametrize("bits", [None, 8])
def test_moe_experts_refuses_weights_of_another_kind(bits: int | None) -> None:
    model = small_mixture()
    if bits:
        quantize(model, 64, bits)
    before = state(model)
    with (
        pytest.raises(InputError, match="fits experts of 4 bits in groups of 64 only"),
        installed(model, "moe_experts"),
    ):
        pass
    assert state(model) == before


def test_softmax_topk_refuses_more_slots_than_it_has_lanes() -> None:
    model = small_mixture(num_experts=40, num_experts_per_tok=33)
    with pytest.raises(InputError, match="not 33 of 40"), installed(model, "softmax_topk"):
        pass


def test_gate_up_concat_refuses_projections_that_are_stored_differently() -> None:
    model = small_mixture()
    switch = model.layers[1].mlp.switch_mlp
    switch.gate_proj = switch.gate_proj.to_quantized(64, 4)
    copies = values(model)
    with pytest.raises(InputError, match="different ways"), installed(model, "gate_up_concat"):
        pass
    assert all(mx.array_equal(value, copies[key]).item() for key, value in values(model).items())


def test_joined_weights_are_held_once_and_joined_one_layer_at_a_time(model: Any) -> None:
    projections = [layer.mlp.switch_mlp.gate_proj for layer in model.layers]
    layer_bytes = 2 * sum(projections[0][part].nbytes for part in MATRIX_PARTS)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    with installed(model, "gate_up_concat"):
        held = mx.get_active_memory()
    assert abs(held - before) < layer_bytes / 10
    assert abs(mx.get_active_memory() - before) < layer_bytes / 10
    assert mx.get_peak_memory() - before < 1.5 * layer_bytes
