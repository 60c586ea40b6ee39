"""Bytes of a checkpoint as it was really quantised, module by module.

`shapes` counts the usual build: one width for all matrices, another for routers. A checkpoint says
of each module what it is, and builds with mixed widths differ per layer. So here every matrix is
walked by its path in mlx-lm, with the settings that the checkpoint has for that path.

The result is held against the sum of the real tensors. Where the two differ, the checkpoint holds
something else than the shape says (towers for images, heads that guess ahead), and nobody knows
which of it a token reads: then there is no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlxbench.records import Checkpoint, Shape
from mlxbench.roofline.shapes import kv_bytes_per_token

DEFAULT = ""  # the key of the settings for every path that is not named; see `Checkpoint`
AFFINE = "affine"
# Relative; padding and a scale for a whole tensor are far below, a forgotten matrix far above.
TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class ReadBytes:
    """Bytes of all tensors, and of what one decoded token reads at batch 1."""

    stored: int
    active: int


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A matrix, or a stack of them, with how many of its values one token uses."""

    path: str
    values: int
    used: int


def read_bytes(shape: Shape, quantization: Mapping[str, Any], value_bytes: int = 2) -> ReadBytes:
    """Bytes under per-path settings; `value_bytes` is the width of scales, biases and norms."""
    norms = shape.num_hidden_layers * 2 * (shape.hidden_size + shape.head_dim) + shape.hidden_size
    stored = active = norms * value_bytes
    for matrix in _matrices(shape):
        settings = _settings(matrix.path, quantization)
        stored += _bytes(matrix.values, settings, value_bytes)
        active += _bytes(matrix.used, settings, value_bytes)
    return ReadBytes(stored, active)


def checkpoint_bytes(checkpoint: Checkpoint) -> ReadBytes | None:
    """What a checkpoint's token reads; `None` where its tensors are not those of its shape."""
    if checkpoint.shape is None or checkpoint.weight_bytes is None:
        return None
    width = value_bytes(checkpoint)
    found = read_bytes(checkpoint.shape, checkpoint.quantization, width)
    if abs(found.stored / checkpoint.weight_bytes - 1) > TOLERANCE:
        return None
    return ReadBytes(checkpoint.weight_bytes, found.active)


def value_bytes(checkpoint: Checkpoint) -> int:
    """The width of a checkpoint's activations, which its KV cache shares: 4 for float32, else 2."""
    shape, kept = checkpoint.shape, checkpoint.kv_bytes_per_token
    return 4 if shape and kept == kv_bytes_per_token(shape, cache_bytes=4) else 2


def _matrices(shape: Shape) -> Iterator[_Matrix]:
    """Every matrix by its path in mlx-lm's `models/qwen3.py` and `models/qwen3_moe.py`."""
    hidden, table = shape.hidden_size, shape.vocab_size * shape.hidden_size
    if shape.tie_word_embeddings:
        yield _Matrix("model.embed_tokens", table, table)
    else:
        yield _Matrix("model.embed_tokens", table, hidden)
        yield _Matrix("lm_head", table, table)
    query = hidden * shape.num_attention_heads * shape.head_dim
    key = hidden * shape.num_key_value_heads * shape.head_dim
    for layer in range(shape.num_hidden_layers):
        at = f"model.layers.{layer}"
        for name, values in (("q", query), ("k", key), ("v", key), ("o", query)):
            yield _Matrix(f"{at}.self_attn.{name}_proj", values, values)
        yield from _feed_forward(shape, f"{at}.mlp")


def _feed_forward(shape: Shape, at: str) -> Iterator[_Matrix]:
    hidden, experts = shape.hidden_size, shape.num_experts
    if not experts:
        one = hidden * shape.intermediate_size
        yield from (_Matrix(f"{at}.{name}_proj", one, one) for name in ("gate", "up", "down"))
        return
    yield _Matrix(f"{at}.gate", hidden * experts, hidden * experts)
    one = hidden * shape.moe_intermediate_size
    for name in ("gate", "up", "down"):
        path = f"{at}.switch_mlp.{name}_proj"
        yield _Matrix(path, experts * one, shape.num_experts_per_tok * one)


def _settings(path: str, quantization: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of one path; empty where it is not quantised."""
    default = quantization.get(DEFAULT, {})
    own = quantization.get(path, True)
    if isinstance(own, Mapping):
        return {**default, **own}
    return default if own else {}


def _bytes(values: int, settings: Mapping[str, Any], value_bytes: int) -> int:
    """Codes, then per group a scale and a bias, or in the float formats one scale of a byte."""
    if not settings:
        return values * value_bytes
    bits, group_size = int(settings["bits"]), int(settings["group_size"])
    per_group = 2 * value_bytes if settings.get("mode", AFFINE) == AFFINE else 1
    return values * bits // 8 + values // group_size * per_group
