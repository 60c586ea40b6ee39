"""Tiny random checkpoints of families other than Qwen-3, written by mlx-lm's own model classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import gpt2, llama

from mlxbench.synthetic.tokenizer import write_tokenizer

VOCABULARY = 512
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": True,
}
GPT2 = {
    "model_type": "gpt2",
    "n_ctx": 1024,
    "n_embd": 64,
    "n_head": 4,
    "n_layer": 2,
    "n_positions": 1024,
    "layer_norm_epsilon": 1e-5,
    "vocab_size": VOCABULARY,
}
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {"llama": (llama, LLAMA), "gpt2": (gpt2, GPT2)}


def made(family: str, directory: Path) -> Path:
    """A whole checkpoint in `directory`."""
    module, config = FAMILIES[family]
    directory.mkdir(parents=True, exist_ok=True)
    mx.random.seed(1)
    model = module.Model(module.ModelArgs.from_dict(config))
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), weights, {"format": "mlx"})
    (directory / "config.json").write_text(json.dumps(config))
    write_tokenizer(directory, VOCABULARY)
    return directory
