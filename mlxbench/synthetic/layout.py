"""The tensors of a Qwen-3 checkpoint as mlx-lm stores them, and how each is filled.

MLX's affine quantisation keeps, for each group of 64 inputs, a scale s and a bias b: a stored code
q means the weight q·s + b. Codes here are uniformly random bits, so a weight has the variance
s²·(4^bits − 1)/12, and b = −(2^bits − 1)/2·s centres it on 0. Choosing s for a standard deviation
of 1/√(inputs) keeps activations near 1 whatever the depth; the two matrices of a layer that write
into the residual stream get a further 1/√(2·layers). s is rounded to so few significant bits that
s and b are both exact in bf16: bf16 and f32 checkpoints then hold the same weights. Unquantised
weights are +s or -s at random, s rounded likewise: they have the same deviation.

Tokens that end a reply or are no text by themselves are never chosen: their rows of the head are
zero, and the best of thousands of random logits is far above 0. A server cannot be told to go on
after such a token, and drops bytes that are no text.

Three traps. Random bits in the scales as well would give NaN. A tied head scores the token that was
just embedded highest, so that decoding repeats it for ever: random signs in the final norm's
weights break that likeness. And attention with random weights averages over the whole context, so
that deep models drown in what all positions have in common and circle among a few tokens: heavier
query and key norms sharpen it. (28 layers, tied, 160 greedy tokens: 27 to 56 distinct with norms of
1, above 150 with norms of 2, and 125 to 148 without the signs.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlxbench.records import Shape
from mlxbench.synthetic.recipe import BITS, GROUP_SIZE
from mlxbench.synthetic.tokenizer import silent_ids

ROUTER_BITS = 8
# A product of an a-bit and a b-bit integer has at most a + b bits and bf16 holds 8: 15 takes 4 of
# them, 31 takes 5, 63 takes 6; 255 takes all 8, which leaves a power of two.
SCALE_SIGNIFICANT_BITS = {4: 4, 5: 3, 6: 2, ROUTER_BITS: 1}
UNQUANTISED_SIGNIFICANT_BITS = 4
# Attention scores get a standard deviation of its square.
QUERY_KEY_NORM = 2.0

FloatType = Literal["BF16", "F32"]
TensorType = FloatType | Literal["U32"]
ITEM_BYTES: dict[TensorType, int] = {"U32": 4, "BF16": 2, "F32": 4}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a safetensors file.

    `fill` is "bits" for random bits, "signs" for random ± `size`, or the value of every element,
    but for the rows in `zero_rows`.
    """

    name: str
    dtype: TensorType
    shape: tuple[int, ...]
    fill: float | Literal["bits", "signs"]
    zero_rows: tuple[range, ...] = ()
    size: float = 1.0

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def affine_constants(std: float, bits: int) -> tuple[float, float]:
    """Scale and bias that give random codes about this standard deviation and mean 0."""
    scale = _rounded(std / math.sqrt((4**bits - 1) / 12), SCALE_SIGNIFICANT_BITS[bits])
    return scale, -(2**bits - 1) / 2 * scale


def _rounded(value: float, significant_bits: int) -> float:
    mantissa, exponent = math.frexp(value)
    steps = 2.0**significant_bits
    return math.ldexp(round(mantissa * steps) / steps, exponent)


def router_paths(shape: Shape) -> list[str]:
    """The modules stored at `ROUTER_BITS`; none in a dense model."""
    if not shape.num_experts:
        return []
    return [f"model.layers.{layer}.mlp.gate" for layer in range(shape.num_hidden_layers)]


def tensors(shape: Shape, float_type: FloatType, bits: int | None = BITS) -> Iterator[Tensor]:
    """Every tensor of the checkpoint, in the order in which it is stored."""
    vocabulary = (shape.vocab_size, shape.hidden_size)
    head_std = shape.hidden_size**-0.5
    tied = shape.tie_word_embeddings
    silent = silent_ids(shape.vocab_size)
    yield from _matrix(
        "model.embed_tokens",
        vocabulary,
        head_std if tied else 1.0,
        float_type,
        bits,
        silent if tied else (),
    )
    for layer in range(shape.num_hidden_layers):
        yield from _layer(f"model.layers.{layer}", shape, float_type, bits)
    yield Tensor("model.norm.weight", float_type, (shape.hidden_size,), "signs")
    if not tied:
        yield from _matrix("lm_head", vocabulary, head_std, float_type, bits, silent)


def _layer(path: str, shape: Shape, float_type: FloatType, bits: int | None) -> Iterator[Tensor]:
    hidden, head = shape.hidden_size, shape.head_dim
    for norm, size, value in (
        ("input_layernorm", hidden, 1.0),
        ("post_attention_layernorm", hidden, 1.0),
        ("self_attn.q_norm", head, QUERY_KEY_NORM),
        ("self_attn.k_norm", head, QUERY_KEY_NORM),
    ):
        yield Tensor(f"{path}.{norm}.weight", float_type, (size,), value)
    queries, keys = shape.num_attention_heads * head, shape.num_key_value_heads * head
    matrices = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        **_feed_forward(shape),
    }
    for name, dimensions in matrices.items():
        std = dimensions[-1] ** -0.5
        if name.endswith(("o_proj", "down_proj")):
            std /= math.sqrt(2 * shape.num_hidden_layers)
        own = ROUTER_BITS if name == "mlp.gate" and bits else bits
        yield from _matrix(f"{path}.{name}", dimensions, std, float_type, own)


def _feed_forward(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Module paths and [experts,] outputs, inputs. mlx-lm stacks the experts in one tensor."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    if not shape.num_experts:
        return {
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
    experts, inner = shape.num_experts, shape.moe_intermediate_size
    return {
        "mlp.gate": (experts, hidden),
        "mlp.switch_mlp.gate_proj": (experts, inner, hidden),
        "mlp.switch_mlp.up_proj": (experts, inner, hidden),
        "mlp.switch_mlp.down_proj": (experts, hidden, inner),
    }


def _matrix(
    path: str,
    dimensions: tuple[int, ...],
    std: float,
    float_type: FloatType,
    bits: int | None,
    zero_rows: tuple[range, ...] = (),
) -> Iterator[Tensor]:
    if bits is None:
        size = _rounded(std, UNQUANTISED_SIGNIFICANT_BITS)
        yield Tensor(f"{path}.weight", float_type, dimensions, "signs", zero_rows, size)
        return
    *rows, inputs = dimensions
    scale, bias = affine_constants(std, bits)
    groups = (*rows, inputs // GROUP_SIZE)
    yield Tensor(f"{path}.weight", "U32", (*rows, inputs * bits // 32), "bits")
    yield Tensor(f"{path}.scales", float_type, groups, scale, zero_rows)
    yield Tensor(f"{path}.biases", float_type, groups, bias, zero_rows)
