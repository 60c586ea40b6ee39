"""Rounding as mlx's types round, in numpy's float64: what references need for stated rules.

numpy has no bf16, and rounding through float32 first would round twice. Here a value is rounded
once, to nearest, ties to even, as the hardware does.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

Values = np.ndarray[Any, np.dtype[np.float64]]

# Significant bits with the hidden one, and the exponent of the smallest subnormal.
FORMATS = {mx.float32: (24, -149), mx.float16: (11, -24), mx.bfloat16: (8, -133)}


def rounded(values: Values, dtype: mx.Dtype) -> Values:
    """The nearest values of `dtype`, ties to even; overflow is not looked at."""
    bits, smallest = FORMATS[dtype]
    _, exponents = np.frexp(values)
    quanta = np.ldexp(1.0, np.maximum(exponents - bits, smallest))
    nearest: Values = np.rint(values / quanta) * quanta
    return nearest


def exact(array: mx.array) -> Values:
    """The values of an array of any float or integer type, as they are."""
    wide = array.astype(mx.float32) if array.dtype in FORMATS else array
    return np.array(wide).astype(np.float64)
