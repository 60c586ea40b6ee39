"""MLX's 4-bit groups re-packed as GGUF's Q4_1 blocks, without touching a code.

Both store a weight as an affine function of a code q of 0…15. MLX keeps s and b for each group of
32, 64 or 128 inputs, with s·q + b. Q4_1 keeps d and m for each block of 32, with d·q + m: a group
becomes one, two or four blocks with the same constants. That costs bits (5.0 per weight instead of
4.5 at groups of 64), but not a single value.

Two traps. The order of codes differs: MLX fills each byte with two neighbours, low half first; a
block has code i in the low half of byte i and code i + 16 in the high half. And d and m are f16,
which has more digits than bf16 but a smaller range: constants below about 1e-5 lose digits. Each
one is checked, so "identical" is a finding and not a hope.

A block is 20 bytes: d, m (f16 each, little-endian), then 16 bytes of codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
BLOCK_BYTES = 20
CODE_BYTES = BLOCK // 2
GROUP_SIZES = (32, 64, 128)


@dataclass(frozen=True, slots=True)
class Rounding:
    """How many constants f16 cannot hold exactly, and the largest relative error among them.

    The error is infinite for a constant that is too large for f16, or no number at all.
    """

    constants: int = 0
    largest_error: float = 0.0

    def __add__(self, other: Rounding) -> Rounding:
        return Rounding(
            self.constants + other.constants, max(self.largest_error, other.largest_error)
        )


def pack(
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    biases: NDArray[np.float32],
    group_size: int,
) -> tuple[NDArray[np.uint8], Rounding]:
    """Q4_1 blocks (n, 20) of whole groups: `codes` as MLX stores them, one scale and bias each."""
    halves = codes.reshape(-1, CODE_BYTES)
    blocks = np.empty((len(halves), BLOCK_BYTES), np.uint8)
    d, of_scales = to_half(scales)
    m, of_biases = to_half(biases)
    per_group = group_size // BLOCK
    blocks[:, 0:2] = np.repeat(d, per_group).view(np.uint8).reshape(-1, 2)
    blocks[:, 2:4] = np.repeat(m, per_group).view(np.uint8).reshape(-1, 2)
    blocks[:, 4:] = reordered(halves)
    return blocks, of_scales + of_biases


def reordered(halves: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of blocks (n, 16 bytes) from MLX's order, neighbours in a byte, to that of Q4_1."""
    even, odd = halves & 0x0F, halves >> 4
    made = np.empty_like(halves)
    made[:, 0::2] = even[:, :8] | even[:, 8:] << 4
    made[:, 1::2] = odd[:, :8] | odd[:, 8:] << 4
    return made


def to_half(values: NDArray[np.float32]) -> tuple[NDArray[np.float16], Rounding]:
    """The nearest f16 values, and what was lost."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        halves = values.astype("<f2")
        back = halves.astype(np.float32)
        wrong = (back != values) | ~np.isfinite(back)
        count = int(np.count_nonzero(wrong))
        if not count:
            return halves, Rounding()
        exact = values[wrong].astype(np.float64)
        errors = np.abs(back[wrong] - exact) / np.abs(exact)
    largest = float(errors.max()) if np.isfinite(errors).all() else float("inf")
    return halves, Rounding(count, largest)


def as_float32(raw: NDArray[np.generic], dtype: str) -> NDArray[np.float32]:
    """The exact values of stored BF16 (as 16-bit integers), F16 or F32 numbers."""
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)
