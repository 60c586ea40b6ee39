"""Mixtures whose routers are changed, and what tests ask of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3_moe

from mlxbench.engines.mlx import routing
from mlxbench.records import (
    BAN,
    GREEDY,
    PIN,
    Completed,
    ExpertBias,
    Generate,
    Message,
    Options,
    Routing,
    Target,
    Trial,
)

LAYERS, EXPERTS, TOP_K = 4, 16, 4  # of tiny-moe
LENGTH = 24
BIASED = Routing(biases=(ExpertBias(None, 3, 2.0), ExpertBias(1, 5, -1.0), ExpertBias(2, 7, PIN)))
FEWER, ONE = Routing(top_k=2), Routing(top_k=1)
HALF_BANNED = Routing(biases=tuple(ExpertBias(None, expert, BAN) for expert in range(8)))
CHAT = Generate((Message("user", "Say something."),), GREEDY, token_budget=12)


def target(directory: Path) -> Target:
    return Target("mlx", "tiny", str(directory), synthetic=True)


def prompt(seed: int = 0, length: int = LENGTH) -> mx.array:
    return mx.random.randint(0, 4096, (1, length), key=mx.random.key(seed))


def logits(model: Any, routing_: Routing | None = None) -> mx.array:
    with routing.applied(model, routing_):
        result = mx.array(model(prompt()))
        mx.eval(result)
    return result


def counts(
    model: Any, routing_: Routing | None = None, tokens: mx.array | None = None, step: int = 2048
) -> np.ndarray[Any, Any]:
    """The log of a mixture without dense layers [layers, experts]."""
    options = Options(prefill_step_size=step, routing=routing_)
    tokens = prompt() if tokens is None else tokens
    return np.array(routing.count_experts(model, tokens, options))


def every(bias: float, *experts: int) -> tuple[ExpertBias, ...]:
    return tuple(ExpertBias(None, expert, bias) for expert in experts)


def state(model: Any) -> list[object]:
    """Everything of a model that a routing touches, and every parameter, by identity."""
    parameters: Any = tree_flatten(model.parameters())
    seen: list[object] = [(name, id(array)) for name, array in parameters]
    for layer in model.layers:
        block = layer.mlp
        kept = {name: id(value) for name, value in vars(block).items() if name != "top_k"}
        members = [(name, id(value)) for name, value in block.items()]
        seen += [members, kept, block.top_k, dict(vars(type(block)))]
    return seen


def completed(trial: Trial) -> Completed:
    assert isinstance(trial, Completed), trial
    return trial


def made(family: Any, config: dict[str, Any]) -> Any:
    """A model of one of mlx-lm's families."""
    return family.Model(family.ModelArgs.from_dict(config))


def mixture(**changes: Any) -> Any:
    """A Qwen-3 mixture of 3 layers and 8 experts, 2 at a time, with mlx-lm's random weights."""
    config = {
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "rms_norm_eps": 1e-6,
        "vocab_size": 4096,
        "rope_theta": 1e4,
        "tie_word_embeddings": True,
        "max_position_embeddings": 128,
        "norm_topk_prob": True,
    }
    return made(qwen3_moe, config | changes)
