"""Random 4-bit experts, and their exact values: what the experiments on experts share.

mlx's affine quantisation keeps, for each group of 64 weights along the input, a scale and a bias,
and for each weight a number q from 0 to 15: the weight is scale · q + bias. Eight of them share a
uint32, the first in the lowest bits.

The words are drawn at random instead of made by quantising random weights: that needs no float
copy, which at the size of a real layer is eight times as large. Scales vary from group to group, as
in a trained model, so that a kernel that takes a neighbour's scale is found out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.lab.rounding import Values, exact

GROUP_SIZE, BITS = 64, 4
PER_WORD = 32 // BITS
HIGHEST = 2**BITS - 1
SHAPES_KEPT = 64
PARTS = ("weight", "scales", "biases")
Experts = tuple[mx.array, mx.array, mx.array]


def random_experts(
    random: np.random.Generator, experts: int, outputs: int, inputs: int, dtype: mx.Dtype
) -> Experts:
    """Weights (words), scales and biases [experts, outputs, …], of variance about 1 / inputs."""
    words = random.integers(0, 2**32, (experts, outputs, inputs // PER_WORD), np.uint32)
    groups = (experts, outputs, inputs // GROUP_SIZE)
    unit = (inputs * (HIGHEST * (HIGHEST + 2)) / 12) ** -0.5  # of evenly spread q
    scales = unit * random.uniform(0.5, 1.5, groups).astype(np.float32)
    biases = -scales * random.uniform(0.4, 0.6, groups).astype(np.float32) * HIGHEST
    return mx.array(words), mx.array(scales).astype(dtype), mx.array(biases).astype(dtype)


def random_choice(
    random: np.random.Generator, tokens: int, experts: int, top_k: int
) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Different experts for each token, [tokens, 1, top_k]."""
    chosen = [random.permutation(experts)[:top_k] for _ in range(tokens)]
    return np.stack(chosen).astype(np.uint32)[:, None]


def named(name: str, experts: Experts) -> dict[str, mx.array]:
    """The parts of a projection as inputs of an experiment: `gate_weight`, `gate_scales`, …"""
    return {f"{name}_{part}": array for part, array in zip(PARTS, experts, strict=True)}


def parts(inputs: Mapping[str, mx.array], name: str) -> Experts:
    """The opposite of `named`."""
    weight, scales, biases = (inputs[f"{name}_{part}"] for part in PARTS)
    return weight, scales, biases


def gathered(
    x: mx.array,
    experts: Experts,
    indices: mx.array,
    lhs_indices: mx.array | None = None,
) -> mx.array:
    """x [.., 1, inputs] times the experts of `indices`, as mlx-lm multiplies: [.., 1, outputs]."""
    weight, scales, biases = experts
    return mx.gather_qmm(
        x,
        weight,
        scales,
        biases,
        lhs_indices=lhs_indices,
        rhs_indices=indices,
        transpose=True,
        group_size=GROUP_SIZE,
        bits=BITS,
        sorted_indices=False,
    )


@functools.lru_cache(maxsize=SHAPES_KEPT)
def row_numbers(rows: tuple[int, ...], pairs: tuple[int, ...]) -> mx.array:
    """The indices that mlx makes for each product where none are given, kept by their shape.

    The rows [..] of x are numbered, and the numbers spread over the shape of the experts' indices.
    """
    numbers = mx.arange(math.prod(rows), dtype=mx.uint32).reshape(rows)
    spread = mx.contiguous(mx.broadcast_to(numbers, pairs))
    mx.eval(spread)
    return spread


def dot(experts: Experts, chosen: np.ndarray[Any, Any], x: Values) -> tuple[Values, Values]:
    """Experts `chosen` [n] times x [n, inputs] → products, and their magnitudes, [n, outputs].

    The magnitude counts scale · q and bias apart, because they are added up apart.
    """
    products, added = zip(
        *(_dot(*expert, row) for expert, row in zip(_taken(experts, chosen), x, strict=True)),
        strict=True,
    )
    return np.stack(products), np.stack(added)


def spread(experts: Experts, chosen: np.ndarray[Any, Any], errors: Values) -> Values:
    """What independent random errors of x [n, inputs] come to in the products [n, outputs]."""
    return np.stack(
        [
            np.sqrt(np.einsum("ogi,gi->o", (scales[..., None] * q + biases[..., None]) ** 2, row))
            for (q, scales, biases), row in zip(
                _taken(experts, chosen),
                errors.reshape(len(errors), -1, GROUP_SIZE) ** 2,
                strict=True,
            )
        ]
    )


def _taken(
    experts: Experts, chosen: np.ndarray[Any, Any]
) -> Iterator[tuple[Values, Values, Values]]:
    """The q [outputs, groups, 64], scales and biases [outputs, groups] of one after the other."""
    places, which = np.unique(chosen, return_inverse=True)
    weight, scales, biases = (array[mx.array(places)] for array in experts)
    words, wide_scales, wide_biases = np.array(weight), exact(scales), exact(biases)
    for e in which:
        yield _numbers(words[e]), wide_scales[e], wide_biases[e]


def _dot(q: Values, scales: Values, biases: Values, row: Values) -> tuple[Values, Values]:
    """One expert's product and magnitude [outputs]."""
    x = row.reshape(-1, GROUP_SIZE)
    with np.errstate(invalid="ignore", over="ignore"):  # of NaN and inf among the inputs
        product = scales * np.einsum("ogi,gi->og", q, x) + biases * x.sum(axis=-1)
        sizes = np.abs(x)
        added = np.abs(scales) * np.einsum("ogi,gi->og", q, sizes)
        added += np.abs(biases) * sizes.sum(axis=-1)
        return product.sum(axis=-1), added.sum(axis=-1)


def _numbers(words: np.ndarray[Any, np.dtype[np.uint32]]) -> Values:
    """The q of one expert's words [outputs, n] → [outputs, groups, 64]."""
    shifts = np.arange(PER_WORD, dtype=np.uint32) * np.uint32(BITS)
    q = (words[..., None] >> shifts) & np.uint32(HIGHEST)
    return q.reshape(words.shape[0], -1, GROUP_SIZE).astype(np.float64)
