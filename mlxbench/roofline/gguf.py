"""What a token reads of a Q4_K_M file, the format behind most published figures of Ollama.

A share of the ceiling means nothing with another format's bytes: Q4_K_M averages 4.8 to 4.9 bits
per weight, MLX's 4 bits in groups of 64 are 4.5.

llama.cpp's recipe (`src/llama-quant.cpp`): q4_K throughout, q6_K for the output head and, in half
of the layers, for the feed-forward's down projection and for the values of attention; routers and
norms stay in f32. An embedding costs a row, also where the head is a copy of it.
"""

from __future__ import annotations

from mlxbench.records import Shape

Q4_K_BITS = 4.5  # a block of 256: 128 bytes of codes and 16 of scales
Q6_K_BITS = 6.5625  # a block of 256: 192 bytes of codes and 18 of scales
MIXED_BITS = (Q4_K_BITS + Q6_K_BITS) / 2  # half of the layers in each
F32_BITS = 32


def q4_k_m_active_bytes(shape: Shape) -> int:
    """Bytes of weights that one decoded token reads, one sequence at a time."""
    hidden = shape.hidden_size
    query = hidden * shape.num_attention_heads * shape.head_dim
    key = hidden * shape.num_key_value_heads * shape.head_dim
    down = hidden * shape.intermediate_size
    if shape.num_experts:
        down = hidden * shape.moe_intermediate_size * shape.num_experts_per_tok
    layer = (
        (2 * query + key + 2 * down) * Q4_K_BITS
        + (key + down) * MIXED_BITS
        + (hidden * shape.num_experts + 2 * hidden + 2 * shape.head_dim) * F32_BITS
    )
    head = shape.vocab_size * hidden * Q6_K_BITS
    row_and_last_norm = hidden * (Q4_K_BITS + F32_BITS)
    return round((shape.num_hidden_layers * layer + head + row_and_last_norm) / 8)
