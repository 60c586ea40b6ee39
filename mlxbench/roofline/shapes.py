"""What a model's shape alone says: parameters, bytes on disk, bytes that one token reads.

**Active bytes** are what one decoded token must read at batch 1 and depth 0. They, not the file's
size, bound decode: a sparse model reads its attention, its routers, the chosen experts and the
output head, and leaves every other expert alone.

**Affine quantisation** (`mlx.core.quantize`) stores each matrix as `bits` per weight plus one scale
and one bias per group of `group_size` weights along the input. 4 bits in groups of 64 with 2-byte
scales are 4.5 bits per weight. Norm weights stay unquantised, in the type of the scales.

Traps:
- A tied embedding is the output head too, so it is read whole for every token. An untied one
  costs a single row, though the file holds both matrices.
- Routers are quantised apart: 8 bits in mlx-lm builds since August 2025, 4 bits before.
- A mixture's `intermediate_size` belongs to no layer; only `moe_intermediate_size` counts.
- Which experts a batch or a prefill reads depends on the routing: active bytes hold for one
  sequence only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from mlxbench.records import Shape

DENSE_TYPE = "qwen3"
MIXTURE_TYPE = "qwen3_moe"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many weights a model has, and how many of them one token uses."""

    total: int
    active: int


@dataclass(frozen=True, slots=True)
class _Weights:
    """Weight counts, split by how they are stored."""

    matrices: int
    routers: int
    norms: int


def parameters(shape: Shape) -> Parameters:
    """Count all weights, and those one token uses (an untied embedding counts as one row)."""
    stored, used = _stored(shape), _used(shape)
    return Parameters(
        total=stored.matrices + stored.routers + stored.norms,
        active=used.matrices + used.routers + used.norms,
    )


def weight_bytes(
    shape: Shape, bits: int = 4, group_size: int = 64, scale_bytes: int = 2, router_bits: int = 8
) -> int:
    """Bytes of all tensors of a quantised checkpoint (its files add only their headers)."""
    return _bytes(_stored(shape), bits, group_size, scale_bytes, router_bits)


def active_bytes(
    shape: Shape, bits: int = 4, group_size: int = 64, scale_bytes: int = 2, router_bits: int = 8
) -> int:
    """Bytes of weights that one decoded token reads, one sequence at a time."""
    return _bytes(_used(shape), bits, group_size, scale_bytes, router_bits)


def kv_bytes_per_token(
    shape: Shape, kv_bits: int | None = None, kv_group_size: int = 64, cache_bytes: int = 2
) -> int:
    """Bytes that one token adds to the KV cache of one sequence.

    A key and a value per layer and KV head, as in mlx-lm's `models/cache.py`:
    2 · layers · kv_heads · head_dim values of `cache_bytes`, or of `kv_bits` plus a scale and a
    bias of `cache_bytes` per group.
    """
    values = 2 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim
    if kv_bits is None:
        return values * cache_bytes
    return _affine_bytes(values, kv_bits, kv_group_size, cache_bytes)


def shape_from_config(config: Mapping[str, Any]) -> Shape | None:
    """Read a Qwen-3 shape from a `config.json`; `None` for what these formulas do not describe.

    That is another family, a mixture with some dense layers, or a field missing or not positive.
    """
    text_config = config.get("text_config")
    if isinstance(text_config, Mapping):
        config = text_config
    model_type = config.get("model_type")
    if model_type not in (DENSE_TYPE, MIXTURE_TYPE):
        return None
    sparse = model_type == MIXTURE_TYPE
    if sparse and (config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1):
        return None
    # The fields with a default are those of a mixture.
    wanted = [field.name for field in fields(Shape) if sparse or field.default is MISSING]
    values: dict[str, Any] = {name: config.get(name) for name in wanted}
    if not isinstance(values["tie_word_embeddings"], bool):
        return None
    sizes = values.keys() - {"model_type", "tie_word_embeddings"}
    if not all(type(values[name]) is int and values[name] > 0 for name in sizes):
        return None
    return Shape(**values)


def _stored(shape: Shape) -> _Weights:
    """Everything in the file."""
    embeddings = 1 if shape.tie_word_embeddings else 2
    return _weights(shape, shape.num_experts, embeddings * shape.vocab_size * shape.hidden_size)


def _used(shape: Shape) -> _Weights:
    """What one token reads: its experts, the output head, one row of an untied embedding."""
    row = 0 if shape.tie_word_embeddings else shape.hidden_size
    return _weights(shape, shape.num_experts_per_tok, shape.vocab_size * shape.hidden_size + row)


def _weights(shape: Shape, experts: int, embedding_weights: int) -> _Weights:
    """Count the weights of a decoder with `experts` experts in each layer of a mixture.

    As built by mlx-lm's `models/qwen3.py` and `models/qwen3_moe.py`: no bias terms; per layer four
    attention matrices, three feed-forward ones per expert, two norms over the hidden size and two
    over a head; one norm at the end.
    """
    hidden, layers = shape.hidden_size, shape.num_hidden_layers
    query_width = shape.num_attention_heads * shape.head_dim
    key_width = shape.num_key_value_heads * shape.head_dim
    attention = 2 * hidden * query_width + 2 * hidden * key_width
    feed_forward = 3 * hidden * shape.intermediate_size
    if shape.num_experts:
        feed_forward = 3 * hidden * shape.moe_intermediate_size * experts
    return _Weights(
        matrices=layers * (attention + feed_forward) + embedding_weights,
        routers=layers * hidden * shape.num_experts,
        norms=layers * (2 * hidden + 2 * shape.head_dim) + hidden,
    )


def _bytes(
    weights: _Weights, bits: int, group_size: int, scale_bytes: int, router_bits: int
) -> int:
    return (
        _affine_bytes(weights.matrices, bits, group_size, scale_bytes)
        + _affine_bytes(weights.routers, router_bits, group_size, scale_bytes)
        + weights.norms * scale_bytes
    )


def _affine_bytes(count: int, bits: int, group_size: int, scale_bytes: int) -> int:
    """Bytes of `count` quantised values, which fill whole groups: codes, scales and biases."""
    return count * bits // 8 + 2 * scale_bytes * (count // group_size)
