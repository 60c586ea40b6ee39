"""The hyper-parameters of a Qwen-3 as GGUF keys, and the ones that would not survive the way.

Whatever MLX does with a checkpoint and a server of GGUF would not do the same way is refused: the
two would then compute different functions of the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlxbench import roofline
from mlxbench.errors import CheckpointError
from mlxbench.records import Shape

if TYPE_CHECKING:
    from gguf import GGUFWriter

ARCHITECTURES = {"qwen3": "qwen3", "qwen3_moe": "qwen3moe"}
QUANTIZATION_VERSION = 2  # of ggml's block formats
FILE_TYPE_Q4_1 = 3  # what most of the file is, in ggml's own numbering
ADVICE = "export a Qwen-3 (qwen3 or qwen3_moe) with its published configuration"


def supported_shape(config: Mapping[str, Any]) -> Shape:
    """The shape of a checkpoint that can be exported. Raises CheckpointError."""
    model_type = config.get("model_type")
    if model_type not in ARCHITECTURES:
        raise CheckpointError(f"model_type {model_type!r} is not one of Qwen-3", ADVICE)
    shape = roofline.shape_from_config(config)
    if shape is None:
        raise CheckpointError("config.json does not describe a plain Qwen-3", ADVICE)
    if shape.num_experts and config.get("norm_topk_prob") is not True:
        raise CheckpointError("norm_topk_prob is off; llama.cpp always normalises", ADVICE)
    scaling = config.get("rope_scaling")
    kind = scaling.get("rope_type", scaling.get("type")) if isinstance(scaling, dict) else scaling
    if kind not in (None, "default"):
        raise CheckpointError(f"rope_scaling {kind!r} is not carried over", ADVICE)
    return shape


def add(writer: GGUFWriter, config: Mapping[str, Any], shape: Shape, name: str) -> None:
    """Everything but the vocabulary. Raises CheckpointError for a number that is missing."""
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(FILE_TYPE_Q4_1)
    writer.add_quantization_version(QUANTIZATION_VERSION)
    writer.add_context_length(int(_number(config, "max_position_embeddings")))
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_freq_base(_number(config, "rope_theta"))
    writer.add_layer_norm_rms_eps(_number(config, "rms_norm_eps"))
    if shape.num_experts:
        writer.add_expert_count(shape.num_experts)
        writer.add_expert_used_count(shape.num_experts_per_tok)
        writer.add_expert_feed_forward_length(shape.moe_intermediate_size)


def _number(config: Mapping[str, Any], key: str) -> float:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise CheckpointError(f"config.json has {value!r} as its {key}", ADVICE)
    return float(value)
