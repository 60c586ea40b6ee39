"""The row numbers that mlx makes for every `gather_qmm`, made once: plain MLX, no kernel.

`gather_qmm` pairs rows of x with experts through two lists of indices. mlx-lm gives the experts'
only; for the rows mlx then makes 0, 1, 2, … in a launch of its own, three times in each layer, and
always the same. Here they are kept by shape and given.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.lab import moe_stages, quantised
from mlxbench.lab.experiment import (
    Case,
    Experiment,
    Inputs,
    Launchers,
    Outputs,
    Prediction,
    Tolerance,
    Truth,
)
from mlxbench.lab.rounding import exact

NAME = "cached_lhs_indices"


def project(linear: Any, x: mx.array, indices: mx.array) -> mx.array:
    """A switch linear of mlx-lm, as it multiplies itself, but with the row numbers given."""
    rows = quantised.row_numbers(tuple(x.shape[:-2]), tuple(indices.shape))
    if "scales" in linear:
        product = mx.gather_qmm(
            x,
            linear["weight"],
            linear["scales"],
            linear.get("biases"),
            lhs_indices=rows,
            rhs_indices=indices,
            transpose=True,
            group_size=linear.group_size,
            bits=linear.bits,
            mode=linear.mode,
            global_scale=linear.global_scale,
            sorted_indices=False,
        )
    else:
        product = mx.gather_mm(
            x,
            linear["weight"].swapaxes(-1, -2),
            lhs_indices=rows,
            rhs_indices=indices,
            sorted_indices=False,
        )
    if "bias" in linear:
        product = product + mx.expand_dims(linear["bias"][indices], -2)
    return product


def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
    x, indices = inputs["x"], inputs["indices"]
    rows = quantised.row_numbers(tuple(x.shape[:-2]), tuple(indices.shape))
    return (quantised.gathered(x, quantised.parts(inputs, "expert"), indices, rows),)


def stock(inputs: Inputs, case: Case) -> Outputs:
    experts = quantised.parts(inputs, "expert")
    return (quantised.gathered(inputs["x"], experts, inputs["indices"]),)


def reference(inputs: Inputs, case: Case) -> Truth:
    return (_product(inputs)[0],)


def magnitudes(inputs: Inputs, case: Case) -> tuple[np.ndarray[Any, Any] | None, ...]:
    return (_product(inputs)[1],)


def _product(inputs: Inputs) -> Truth:
    """Truth and magnitude, [tokens, 1, k, 1, outputs]."""
    indices = np.array(inputs["indices"])
    x = exact(inputs["x"])[..., 0, :]
    rows = np.broadcast_to(x, (*indices.shape, x.shape[-1])).reshape(indices.size, -1)
    pair = quantised.dot(quantised.parts(inputs, "expert"), indices.reshape(-1), rows)
    return tuple(each.reshape(*indices.shape, 1, -1) for each in pair)


def make_inputs(case: Case, dtype: mx.Dtype, seed: int) -> Inputs:
    """x [tokens, 1, 1 or k, 1, inputs]: one row for all experts of a token, or one for each."""
    random = np.random.default_rng(seed)
    tokens, experts, top_k = case["tokens"], case["experts"], case["top_k"]
    rows = top_k if case["row_per_expert"] else 1
    x = random.standard_normal((tokens, 1, rows, 1, case["inputs"])).astype(np.float32)
    chosen = quantised.random_choice(random, tokens, experts, top_k)
    weights = quantised.random_experts(random, experts, case["outputs"], case["inputs"], dtype)
    return {
        "x": mx.array(x).astype(dtype),
        "indices": mx.array(chosen),
        **quantised.named("expert", weights),
    }


def _case(
    name: str, inputs: int, outputs: int, experts: int, top_k: int, tokens: int, row_per_expert: int
) -> Case:
    sizes = {"inputs": inputs, "outputs": outputs, "experts": experts, "top_k": top_k}
    return Case(name, sizes | {"tokens": tokens, "row_per_expert": row_per_expert})


def bytes_moved(case: Case, dtype: mx.Dtype) -> int:
    """Reads the chosen rows of the experts and x; writes the products."""
    pairs = case["tokens"] * case["top_k"]
    per_row = case["inputs"] // 2 + 2 * dtype.size * case["inputs"] // quantised.GROUP_SIZE
    rows = pairs if case["row_per_expert"] else case["tokens"]
    return pairs * case["outputs"] * (per_row + dtype.size) + rows * case["inputs"] * dtype.size


# ---- in a model ----------------------------------------------------------------------------------


def install(
    model: Any, launchers: Launchers, called: Callable[[], None]
) -> AbstractContextManager[int]:
    """In place of every product of the experts; a call counts where a block makes its last."""

    def stages(block: Any) -> moe_stages.Stages:
        last = block.switch_mlp.down_proj

        def counted(linear: Any, x: mx.array, indices: mx.array) -> mx.array:
            if linear is last:
                called()
            return project(linear, x, indices)

        return moe_stages.Stages(project=counted)

    return moe_stages.replaced(model, stages)


EXPERIMENT = Experiment(
    name=NAME,
    summary="the row numbers of the experts' products given instead of made each time; plain MLX",
    hypothesis=(
        "mlx makes a small list of row numbers before each product of the experts, three times per "
        "layer. They depend on nothing that the model computes, so they may overlap with other "
        "work and cost little; given, they cost nothing at all."
    ),
    prediction=Prediction(
        1.0,
        1.03,
        "launches 9 → 6 in the experts; no figure was published, and launches that wait for "
        "nothing may be hidden already, so that nothing may come of it",
    ),
    outputs=("product",),
    tolerances=(Tolerance(terms=2048, like_stock=True),),
    cases=(
        _case("qwen3-30b-a3b, gate or up", 2048, 768, 128, 8, 1, 0),
        _case("qwen3-30b-a3b, down", 768, 2048, 128, 8, 1, 1),
        _case("odd sizes, one row", 192, 100, 5, 3, 2, 0),
        _case("odd sizes, rows of their own", 192, 100, 5, 3, 2, 1),
    ),
    make_inputs=make_inputs,
    run=run,
    stock=stock,
    reference=reference,
    magnitudes=magnitudes,
    bytes_moved=bytes_moved,
    launches=(2, 1),
    install=install,
)
