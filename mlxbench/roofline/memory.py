"""How much memory a task needs, and whether it fits.

A KV cache grows in whole steps, so memory is a staircase in the number of tokens.
"""

from __future__ import annotations

from mlxbench.records import Options, Shape, Task, Timed
from mlxbench.roofline.shapes import kv_bytes_per_token

# `KVCache.step` in mlx-lm: keys and values are allocated for this many tokens at a time.
KV_STEP_TOKENS = 256
# For activations, the copy made while a cache grows, up to one cache step more after a prompt that
# ends between steps, and the runtime itself.
CHAT_PROMPT_TOKENS = 512
HEADROOM_PERCENT = 10


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


def fits(needed_bytes: int, usable_bytes: int) -> bool:
    """Whether a run may start; the headroom is already inside `needed_bytes`."""
    return needed_bytes <= usable_bytes


def _round_up(count: int, step: int) -> int:
    return -(-count // step) * step
