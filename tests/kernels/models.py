"""Mixtures to swap experiments into, and what is compared of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3_moe
from mlx_lm.models.cache import make_prompt_cache

from tests.kernels.judging import FOUND, QUICKLY, launchers

LAYERS, EXPERTS, TOP_K = 4, 16, 4  # of tiny-moe
PROMPT_TOKENS = 20


def prompt(batch: int = 1, seed: int = 0) -> mx.array:
    return mx.random.randint(0, 4096, (batch, PROMPT_TOKENS), key=mx.random.key(seed))


def greedy(model: Any, prompt_: mx.array, tokens: int) -> tuple[mx.array, mx.array]:
    """Greedy tokens [batch, n] after a prompt, and their logits [batch, n, vocabulary]."""
    cache = make_prompt_cache(model)
    model(prompt_[:, :-1], cache=cache)
    current, chosen, logits = prompt_[:, -1:], [], []
    for _ in range(tokens):
        logits.append(model(current, cache=cache))
        current = mx.argmax(logits[-1], axis=-1)
        chosen.append(current)
        mx.eval(current, logits)
    return mx.concatenate(chosen, axis=1), mx.concatenate(logits, axis=1)


@contextmanager
def installed(model: Any, *names: str) -> Iterator[Counter[str]]:
    """Experiments swapped in, one within the other; yields how often each was called so far."""
    calls: Counter[str] = Counter()
    with ExitStack() as stack:
        for name in names:
            found = FOUND[name]
            kernels = launchers(found, QUICKLY)
            blocks = stack.enter_context(
                found.experiment.install(model, kernels, partial(calls.update, [name]))
            )
            assert blocks == sum(hasattr(layer.mlp, "switch_mlp") for layer in model.layers)
        yield calls


def state(model: Any) -> list[object]:
    """Everything of a model's blocks that an installation touches, by identity, and every array."""
    seen: list[object] = []
    for layer in model.layers:
        block = layer.mlp
        members = [(name, id(value)) for name, value in block.items()]
        seen += [type(block), members, dict(vars(block)), dict(vars(type(block)))]
    return seen + arrays(model)


def arrays(model: Any) -> list[object]:
    parameters: Any = tree_flatten(model.parameters())
    return [(name, id(array)) for name, array in parameters]


def values(model: Any) -> dict[str, mx.array]:
    """Every parameter, copied."""
    parameters: Any = tree_flatten(model.parameters())
    copies = {name: array + mx.zeros_like(array) for name, array in parameters}
    mx.eval(list(copies.values()))
    return copies


def small_mixture(**changes: Any) -> Any:
    """A mixture of two layers and unquantised random weights."""
    settings: dict[str, Any] = {
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 64,
        "rms_norm_eps": 1e-6,
        "vocab_size": 4096,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "max_position_embeddings": 512,
        "norm_topk_prob": True,
    }
    mx.random.seed(0)
    model = qwen3_moe.Model(qwen3_moe.ModelArgs(**settings | changes))
    mx.eval(model.parameters())
    return model
