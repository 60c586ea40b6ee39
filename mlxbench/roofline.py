"""What a model's shape alone says: parameters, bytes on disk, bytes per token, memory.

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
- A KV cache grows in whole steps, so memory is a staircase in the number of tokens.

Everything here is pure and counts bytes, not GB or GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from mlxbench.records import Environment, Options, Shape, Task, Timed

# Unified memory bandwidth in bytes per second, from Apple's technical specifications of each chip.
BANDWIDTH = {
    "M1": 68.25e9,
    "M1 Pro": 200e9,
    "M1 Max": 400e9,
    "M1 Ultra": 800e9,
    "M2": 100e9,
    "M2 Pro": 200e9,
    "M2 Max": 400e9,
    "M2 Ultra": 800e9,
    "M3": 100e9,
    "M3 Pro": 150e9,
    "M3 Ultra": 819e9,
    "M4": 120e9,
    "M4 Pro": 273e9,
}
# Chips of one name that come with two bandwidths, told apart by their GPU cores.
BANDWIDTH_BY_CORES = {
    ("M3 Max", 30): 300e9,
    ("M3 Max", 40): 400e9,
    ("M4 Max", 32): 410e9,
    ("M4 Max", 40): 546e9,
}

DENSE_TYPE = "qwen3"
MIXTURE_TYPE = "qwen3_moe"

# `KVCache.step` in mlx-lm: keys and values are allocated for this many tokens at a time.
KV_STEP_TOKENS = 256
# For activations, the copy made while a cache grows, up to one cache step more after a prompt that
# ends between steps, and the runtime itself.
CHAT_PROMPT_TOKENS = 512
HEADROOM_PERCENT = 10


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


def activation_bytes(
    shape: Shape, tokens: int, context: int, batch_size: int, value_bytes: int, fused: bool
) -> int:
    """The most that one forward of `tokens` per sequence holds besides weights and KV cache.

    Fitted to mlx 0.32.4's peak memory on the CPU, where it holds within a third: per token four
    hidden vectors, four sets of queries, keys and values, and what the feed-forward layer of a
    token makes; the logits of one position; and, where attention is not `fused` into one kernel
    (on the CPU, and with a quantised KV cache everywhere), a score for each head, token and
    position of the context.
    """
    heads = (shape.num_attention_heads + 2 * shape.num_key_value_heads) * shape.head_dim
    feed_forward = 3 * shape.intermediate_size
    if shape.num_experts:
        one_expert = 3 * shape.moe_intermediate_size + 2 * shape.hidden_size
        feed_forward = shape.num_experts_per_tok * one_expert
    values = tokens * (4 * shape.hidden_size + 4 * heads + feed_forward) + 2 * shape.vocab_size
    scores = 0 if fused else shape.num_attention_heads * tokens * context
    return batch_size * (values + scores) * value_bytes


def task_memory_bytes(
    shape: Shape,
    weight_bytes: int,
    task: Task,
    options: Options,
    value_bytes: int = 2,
    fused: bool = True,
) -> int:
    """Memory that a task needs: weights, KV cache, activations and headroom.

    `value_bytes` is the width of activations and of an unquantised cache. A chat's prompt is not
    known beforehand and counted with `CHAT_PROMPT_TOKENS`.
    """
    if isinstance(task, Timed):
        prompt, batch_size = task.prompt_tokens, task.batch_size
        context = task.depth + prompt + task.generation_tokens
    else:
        prompt, batch_size = CHAT_PROMPT_TOKENS, getattr(task, "batch_size", None) or 1
        context = prompt + task.token_budget
    per_token = kv_bytes_per_token(shape, options.kv_bits, options.kv_group_size, value_bytes)
    step = min(options.prefill_step_size, max(prompt, context - prompt))
    fused = fused and options.kv_bits is None
    working = activation_bytes(shape, step, context, batch_size, value_bytes, fused)
    return predicted_memory_bytes(weight_bytes + working, per_token, context, batch_size)


def predicted_memory_bytes(
    fixed_bytes: int, kv_bytes_per_token: int, tokens: int, batch_size: int = 1
) -> int:
    """Memory that a run needs: what is fixed, KV cache rounded up to its steps, and headroom.

    `tokens` is everything that lies in the cache of one sequence at the end: depth, prompt and
    generation. The headroom is `HEADROOM_PERCENT` of the sum, rounded up.
    """
    cached_tokens = _round_up(tokens, KV_STEP_TOKENS)
    needed = fixed_bytes + kv_bytes_per_token * cached_tokens * batch_size
    return _round_up(needed * (100 + HEADROOM_PERCENT), 100) // 100


def bandwidth_of(environment: Environment) -> float | None:
    """Bytes per second of the accelerator's memory as its maker states it, `None` if unknown."""
    name = (environment.accelerator or "").removeprefix("Apple ")
    by_cores = BANDWIDTH_BY_CORES.get((name, environment.accelerator_cores or 0))
    return by_cores or BANDWIDTH.get(name)


def fits(needed_bytes: int, usable_bytes: int) -> bool:
    """Whether a run may start; the headroom is already inside `needed_bytes`."""
    return needed_bytes <= usable_bytes


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


def _round_up(count: int, step: int) -> int:
    return -(-count // step) * step
