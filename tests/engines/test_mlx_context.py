"""The KV cache that trials share, where it cannot simply be cut back."""

from __future__ import annotations

import mlx.core as mx
from mlx_lm.models import qwen3_next

from mlxbench.engines.mlx import loop
from mlxbench.engines.mlx.context import Context
from mlxbench.records import Options


def test_a_cache_that_cannot_be_trimmed_is_filled_anew() -> None:
    arguments = qwen3_next.ModelArgs(
        model_type="qwen3_next",
        hidden_size=64,
        num_hidden_layers=4,
        intermediate_size=64,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        linear_num_value_heads=2,
        linear_num_key_heads=2,
        linear_key_head_dim=32,
        linear_value_head_dim=32,
        linear_conv_kernel_dim=4,
        num_experts=4,
        num_experts_per_tok=2,
        decoder_sparse_step=1,
        shared_expert_intermediate_size=32,
        mlp_only_layers=[],
        vocab_size=128,
        moe_intermediate_size=32,
        rms_norm_eps=1e-6,
        rope_theta=1e4,
        partial_rotary_factor=0.5,
        max_position_embeddings=512,
        norm_topk_prob=True,
    )
    model = qwen3_next.Model(arguments)
    context = Context(model, mx.array([list(range(20))]), Options())
    request = loop.Request(
        mx.array([[1, 2, 3]]), 4, True, 16, lambda logits: mx.argmax(logits, axis=-1)
    )
    runs = [loop.run(model, context.cache(appending=6), request).tokens for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
