"""Pieces of models files, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxbench.errors import EXIT_BAD_INPUT, RegistryError
from mlxbench.registry import load

SHAPE = """\
[model.shape]
model_type = "qwen3_moe"
hidden_size = 256
num_hidden_layers = 4
num_attention_heads = 4
num_key_value_heads = 2
head_dim = 64
intermediate_size = 768
vocab_size = 4096
tie_word_embeddings = false
num_experts = 16
num_experts_per_tok = 4
moe_intermediate_size = 128
"""
MODEL = f"""\
[[model]]
name = "mine"
repository = "owner/mine"

{SHAPE}"""
REFERENCE = """\
[[model]]
name = "mine"
repository = "owner/mine"

[[model.references]]
source = "a blog"
engine = "mlx-lm"
machine = "M1"
workload = "tg128"
decode_tps = 10.5

[[model.references]]
source = "another blog"
engine = "mlx-lm"
machine = "M1"
workload = "tg128"
probe = "PASS"
"""


def refusal(path: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        load(path)
    assert caught.value.exit_code == EXIT_BAD_INPUT
    return str(caught.value)


# ---- the built-in file --------------------------------------------------------------------------
