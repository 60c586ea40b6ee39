"""Synthetic checkpoints as mlx-lm sees them: shapes, sane logits, varied tokens, tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import make_prompt_cache

from mlxbench.records import Shape
from mlxbench.synthetic import Recipe, ensure, shards
from mlxbench.synthetic.tokenizer import special_ids
from mlxbench.text import Prompt, exact_prompt, sentences
from tests.synthetic.shapes import DENSE, MOE, TINY

# Deep and tied: where random weights collapse most easily. Narrow, so that it is quick.
DEEP_TIED = Shape("qwen3", 128, 48, 2, 2, 64, 128, 4096, tie_word_embeddings=True)
RECIPES = [
    TINY,
    Recipe("tiny-moe", MOE, scales="f32"),
    Recipe("tiny-tied", replace(DENSE, tie_word_embeddings=True), scales="f32"),
    Recipe("tiny-dense", DENSE, layers=2, scales="bf16"),
]
NEW_TOKENS = 40
MIN_DISTINCT = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    recipe: Recipe
    model: Any
    tokenizer: Any

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, length: int, seed: int = 0) -> Prompt:
        return exact_prompt(self.encode, self.tokenizer.decode, length, seed)


def load(recipe: Recipe, cache: Path) -> Loaded:
    model, tokenizer = mlx_lm.load(str(ensure(recipe, cache)))[:2]
    return Loaded(recipe, model, tokenizer)


@pytest.fixture(scope="module", params=RECIPES, ids=lambda r: f"{r.name}-{r.scales}")
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(request.param, tmp_path_factory.mktemp("loaded"))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(TINY, tmp_path_factory.mktemp("dense"))


def dequantized(module: Any) -> mx.array:
    weights = mx.dequantize(
        module.weight, module.scales, module.biases, module.group_size, module.bits
    )
    return weights.astype(mx.float32)


def test_every_parameter_has_the_shape_and_type_of_the_model(loaded: Loaded) -> None:
    shape, float_type = loaded.recipe.effective_shape, mx.float32
    if loaded.recipe.scales == "bf16":
        float_type = mx.bfloat16
    parameters = dict(tree_flatten(loaded.model.parameters()))
    assert {array.dtype for array in parameters.values()} == {mx.uint32, float_type}
    attention = loaded.model.layers[-1].self_attn
    queries = shape.num_attention_heads * shape.head_dim
    assert len(loaded.model.layers) == shape.num_hidden_layers
    assert dequantized(attention.q_proj).shape == (queries, shape.hidden_size)
    assert dequantized(attention.o_proj).shape == (shape.hidden_size, queries)
    assert dequantized(attention.k_proj).shape[0] == shape.num_key_value_heads * shape.head_dim
    assert dequantized(loaded.model.model.embed_tokens).shape[0] == shape.vocab_size
    assert ("lm_head.weight" in parameters) != shape.tie_word_embeddings


def test_logits_are_finite_and_tokens_varied(loaded: Loaded) -> None:
    prompt = mx.array(loaded.prompt(32).tokens)
    logits = loaded.model(prompt[None]).astype(mx.float32)
    assert mx.isfinite(logits).all().item()
    assert (mx.abs(logits) < 20).all().item()
    steps = generate_step(prompt, loaded.model, max_tokens=NEW_TOKENS)
    tokens = [token for token, _ in steps]
    assert len(tokens) == NEW_TOKENS
    assert len(set(tokens)) >= MIN_DISTINCT


def test_a_deep_tied_model_does_not_circle_among_a_few_tokens(tmp_path: Path) -> None:
    loaded = load(Recipe("deep-tied", DEEP_TIED, scales="f32"), tmp_path)
    cache = make_prompt_cache(loaded.model)
    tokens = mx.array([loaded.prompt(32, seed).tokens for seed in range(4)])
    steps = []
    for _ in range(NEW_TOKENS):
        tokens = mx.argmax(loaded.model(tokens, cache=cache)[:, -1:], axis=-1)
        steps.append(tokens)
    # Norms of 1 give 5 to 26 distinct tokens, a final norm without signs 13 to 18.
    rows = np.array(mx.concatenate(steps, axis=1))
    assert min(len(np.unique(row)) for row in rows) >= 28


def test_weights_are_centred_with_the_intended_deviation(dense: Loaded) -> None:
    layer = dense.model.layers[0]
    for module, deviation in ((layer.mlp.up_proj, 256**-0.5), (layer.mlp.down_proj, 6144**-0.5)):
        weights = dequantized(module)
        assert abs(weights.mean().item()) < 0.02 * deviation
        assert weights.std().item() == pytest.approx(deviation, rel=0.07)


def test_the_router_alone_is_stored_in_eight_bits(tmp_path: Path) -> None:
    layer = load(RECIPES[1], tmp_path).model.layers[2]
    assert (layer.mlp.gate.bits, layer.mlp.gate.group_size) == (8, 64)
    assert (layer.mlp.switch_mlp.gate_proj.bits, layer.self_attn.q_proj.bits) == (4, 4)
    assert dequantized(layer.mlp.switch_mlp.down_proj).shape == (16, 256, 128)
    # A power-of-two scale cannot come closer than a factor of √2.
    assert 0.7 < dequantized(layer.mlp.gate).std().item() * 256**0.5 < 1.42


def test_both_types_of_scales_hold_the_same_weights(dense: Loaded, tmp_path: Path) -> None:
    other = load(replace(TINY, scales="bf16"), tmp_path)
    for path in ("model.embed_tokens", "lm_head"):
        a, b = (dict(model.named_modules())[path] for model in (dense.model, other.model))
        assert mx.array_equal(a.scales, b.scales.astype(mx.float32))
        assert mx.array_equal(a.biases, b.biases.astype(mx.float32))
        assert mx.array_equal(a.weight, b.weight)
    signs = dense.model.model.norm.weight
    assert mx.array_equal(signs, other.model.model.norm.weight.astype(mx.float32))
    assert {-1.0, 1.0} == set(signs.tolist())


def test_a_checkpoint_of_several_shards_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(RECIPES[1], tmp_path / "whole")
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 1_000_000)
    split = load(RECIPES[1], tmp_path / "split")
    prompt = mx.array([whole.prompt(8).tokens])
    assert mx.array_equal(whole.model(prompt), split.model(prompt))


@pytest.mark.parametrize("length", [1, 2, 8, 128, 512, 2048])
def test_prompts_have_exact_lengths_and_survive_the_round_trip(dense: Loaded, length: int) -> None:
    prompt = dense.prompt(length, seed=length)
    assert len(prompt.tokens) == length
    assert tuple(dense.encode(prompt.text)) == prompt.tokens


def test_consecutive_seeds_start_with_different_tokens(dense: Loaded) -> None:
    first = {dense.prompt(1, seed).tokens[0] for seed in range(len(sentences()))}
    assert len(first) == len(sentences())


def test_every_id_decodes_and_the_special_ones_come_last(dense: Loaded) -> None:
    ids = special_ids(4096)
    assert len(dense.tokenizer) == 4096
    assert [dense.tokenizer.convert_tokens_to_ids(token) for token in ids] == list(ids.values())
    assert all(dense.tokenizer.decode([token]) for token in range(4096))
    assert dense.tokenizer.eos_token_ids == {ids["<|im_end|>"], ids["<|endoftext|>"]}
    assert dense.encode("<|im_start|>Bread<think>")[::2] == [ids["<|im_start|>"], ids["<think>"]]


@pytest.mark.parametrize(("thinking", "reply"), [(True, ""), (False, "<think>\n\n</think>\n\n")])
def test_the_chat_template_can_turn_thinking_off(dense: Loaded, thinking: bool, reply: str) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Two\nlines"},
    ]
    text = dense.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nTwo\nlines<|im_end|>\n"
        f"<|im_start|>assistant\n{reply}"
    )
