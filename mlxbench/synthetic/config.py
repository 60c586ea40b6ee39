"""The JSON files of the model itself, as mlx-lm and servers read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlxbench.synthetic.layout import ROUTER_BITS, router_paths
from mlxbench.synthetic.recipe import FORMAT, GROUP_SIZE, Recipe
from mlxbench.synthetic.tokenizer import END_OF_TEXT, END_OF_TURN, special_ids

MARKER = "mlxbench_synthetic"

# The same for every Qwen-3 size.
_COMMON = {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "use_cache": True,
}
_MIXTURE = {"decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": True}
_EXPERT_KEYS = ("num_experts", "num_experts_per_tok", "moe_intermediate_size")


def is_synthetic(config: Mapping[str, Any]) -> bool:
    """Whether a checkpoint with this `config.json` has random weights of ours."""
    return MARKER in config


def model_config(recipe: Recipe) -> dict[str, Any]:
    """The content of `config.json`."""
    shape = asdict(recipe.effective_shape)
    mixture = recipe.effective_shape.num_experts > 0
    if not mixture:
        shape = {key: value for key, value in shape.items() if key not in _EXPERT_KEYS}
    ids = special_ids(recipe.shape.vocab_size)
    quantization = {} if recipe.bits is None else _quantization(recipe, recipe.bits)
    both = {"quantization": quantization, "quantization_config": quantization}
    return {
        "architectures": ["Qwen3MoeForCausalLM" if mixture else "Qwen3ForCausalLM"],
        **shape,
        **_COMMON,
        **(_MIXTURE if mixture else {}),
        "torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[recipe.scales],
        "bos_token_id": ids[END_OF_TEXT],
        "eos_token_id": ids[END_OF_TURN],
        **(both if quantization else {}),
        MARKER: {"recipe": recipe.content, "format": FORMAT},
    }


def generation_config(recipe: Recipe) -> dict[str, Any]:
    """The content of `generation_config.json`: the sampling that Qwen-3 is published with."""
    ids = special_ids(recipe.shape.vocab_size)
    return {
        "bos_token_id": ids[END_OF_TEXT],
        "do_sample": True,
        "eos_token_id": [ids[END_OF_TURN], ids[END_OF_TEXT]],
        "pad_token_id": ids[END_OF_TEXT],
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
    }


def _quantization(recipe: Recipe, bits: int) -> dict[str, Any]:
    """The default, and for each router an entry of its own under its module path."""
    routers = router_paths(recipe.effective_shape)
    return {
        "group_size": GROUP_SIZE,
        "bits": bits,
        **{path: {"group_size": GROUP_SIZE, "bits": ROUTER_BITS} for path in routers},
    }
