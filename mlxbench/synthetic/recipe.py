"""What a synthetic checkpoint is made of."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mlxbench.errors import InputError
from mlxbench.records import Shape

# History of what the same recipe makes; a change of any byte needs a new number.
#   1  2026-11: first
#   2  2026-11: query and key norms of 2, which keep deep tied models from circling
#   3  2026-11: the tokenizer splits text as Qwen's does; no token that ends a reply or is no text
FORMAT = 3

MODEL_TYPES = ("qwen3", "qwen3_moe")
GROUP_SIZE = 64
BITS = 4
ALL_BITS: tuple[int | None, ...] = (4, 5, 6, 8, None)
# 256 bytes and the special tokens; a smaller vocabulary could not encode every text.
MIN_VOCAB_SIZE = 512
HASH_DIGITS = 10

ScaleType = Literal["bf16", "f32"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A shape, perhaps with another number of layers, its precision and the type of its scales.

    `bits` `None` is unquantised: every weight has the type that the scales would have.

    Real builds have bf16 scales (4.5 bits per weight). f32 scales (5.0 bits per weight) are for
    MLX's CPU backend, which is about eight times slower on bf16. Raises InputError when no such
    checkpoint can exist.
    """

    name: str
    shape: Shape
    layers: int | None = None
    scales: ScaleType = "bf16"
    seed: int = 0
    bits: int | None = BITS

    def __post_init__(self) -> None:
        problem = _problem(self.effective_shape)
        if problem is None and self.seed < 0:
            problem = f"a seed of {self.seed}"
        if problem is None and self.bits not in ALL_BITS:
            problem = f"{self.bits} bits, where 4, 5, 6, 8 and unquantised are known"
        if problem:
            raise InputError(
                f"no synthetic checkpoint of {self.name!r} can be made: {problem}",
                "correct the shape, the layers, the bits or the seed",
            )

    @property
    def effective_shape(self) -> Shape:
        """The shape with the override of layers applied."""
        if self.layers is None:
            return self.shape
        return replace(self.shape, num_hidden_layers=self.layers)

    @property
    def content(self) -> dict[str, Any]:
        """Everything that decides the bytes. 4 bits go without saying, as in older recipes."""
        content = asdict(self)
        if self.bits == BITS:
            del content["bits"]
        return content

    @property
    def directory_name(self) -> str:
        """A name that differs whenever the content differs, and says what is inside."""
        identity = json.dumps([FORMAT, self.content], sort_keys=True).encode()
        parts = [
            re.sub(r"[^A-Za-z0-9._-]+", "-", self.name),
            *([] if self.layers is None else [f"{self.layers}layers"]),
            *([] if self.bits == BITS else [f"{self.bits}bit" if self.bits else "unquantised"]),
            self.scales,
            hashlib.sha256(identity).hexdigest()[:HASH_DIGITS],
        ]
        return "-".join(parts)


def _problem(shape: Shape) -> str | None:
    """Why MLX could not hold this shape in quantised groups, or None."""
    moe = shape.model_type == "qwen3_moe"
    inputs = {
        "hidden_size": shape.hidden_size,
        "num_attention_heads × head_dim": shape.num_attention_heads * shape.head_dim,
        **(
            {"moe_intermediate_size": shape.moe_intermediate_size}
            if moe
            else {"intermediate_size": shape.intermediate_size}
        ),
    }
    checks = [
        (shape.model_type in MODEL_TYPES, f"model_type {shape.model_type!r} is not one of Qwen-3"),
        (moe == (shape.num_experts > 0), f"{shape.num_experts} experts in {shape.model_type}"),
        (shape.num_hidden_layers >= 1, f"{shape.num_hidden_layers} layers"),
        (shape.num_key_value_heads >= 1, f"{shape.num_key_value_heads} key-value heads"),
        (shape.vocab_size >= MIN_VOCAB_SIZE, f"a vocabulary below {MIN_VOCAB_SIZE}"),
        (
            not moe or 1 <= shape.num_experts_per_tok <= shape.num_experts,
            f"{shape.num_experts_per_tok} of {shape.num_experts} experts per token",
        ),
        *(
            (size >= GROUP_SIZE and size % GROUP_SIZE == 0, f"{name} {size} is no multiple of 64")
            for name, size in inputs.items()
        ),
    ]
    return next((problem for holds, problem in checks if not holds), None)
