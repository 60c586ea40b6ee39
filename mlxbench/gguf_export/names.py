"""What each module of a Qwen-3 is called in MLX and in GGUF.

MLX names a module by its place in the Python object, GGUF by `blk.N.` and a short role. No tensor
changes its layout on the way: neither side permutes the rows of q and k for this family, and both
keep the experts of a layer stacked in one tensor.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlxbench.records import Shape

ATTENTION = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
}
DENSE = {
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
ROUTER = "mlp.gate"
MIXTURE = {
    ROUTER: "ffn_gate_inp",
    "mlp.switch_mlp.gate_proj": "ffn_gate_exps",
    "mlp.switch_mlp.up_proj": "ffn_up_exps",
    "mlp.switch_mlp.down_proj": "ffn_down_exps",
}
HEAD = "lm_head"


def modules(shape: Shape) -> Iterator[tuple[str, str]]:
    """MLX module and GGUF tensor name of everything with weights, in the order of the file.

    A tied model has no head of its own: both engines then use the embedding.
    """
    yield "model.embed_tokens", "token_embd.weight"
    roles = {**ATTENTION, **(MIXTURE if shape.num_experts else DENSE)}
    for layer in range(shape.num_hidden_layers):
        for module, role in roles.items():
            yield f"model.layers.{layer}.{module}", f"blk.{layer}.{role}.weight"
    yield "model.norm", "output_norm.weight"
    if not shape.tie_word_embeddings:
        yield HEAD, "output.weight"
