"""The experts of a decode step in two launches instead of nine, on 4-bit weights in groups of 64.

The first launch makes silu(gate · x) * (up · x) for each chosen expert, the second multiplies that
by the down projections and adds the experts up by their scores. Everything is added up in float32,
and what passes from the first to the second stays float32: the result is rounded once, where stock
rounds gate, up, silu, their product, each expert's output, its product with the score and the sum.

How the work is cut is a guess that a bench on the machine should check: see `Cut`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.activations import swiglu
from mlx_lm.models.switch_layers import QuantizedSwitchLinear

from mlxbench.errors import InputError
from mlxbench.lab import moe_stages, quantised
from mlxbench.lab.experiment import (
    Case,
    Experiment,
    Inputs,
    Kernel,
    Launchers,
    Outputs,
    Prediction,
    Tolerance,
    Truth,
)
from mlxbench.lab.quantised import BITS, GROUP_SIZE, PARTS
from mlxbench.lab.rounding import Values, exact

NAME = "moe_experts"
GATE_UP, DOWN = "moe_gate_up", "moe_down"
LANES = 32
MOST_ROWS = 4  # as many as mlx's own products of one row make in each SIMD group
SIDE_BY_SIDE = 2  # SIMD groups per threadgroup, likewise
ENOUGH = 2048  # SIMD groups: some 25 for each of the 80 cores of an M3 Ultra, to hide its memory
MOST_SIMDS = 8
STEEPEST = 1.1  # of silu
LONGEST_SUM = 128  # one after the other in a lane, at the sizes of `cases`; then trees


@dataclass(frozen=True, slots=True)
class Cut:
    """How one launch is cut: rows per SIMD group, and SIMD groups per threadgroup.

    More rows read x less often, and leave fewer SIMD groups to wait for memory in turns. The
    default takes four, and fewer where that makes less than ENOUGH SIMD groups. In the second
    launch the SIMD groups of a threadgroup share out a token's experts, up to eight.

    A case may say otherwise (`gate_rows`, `gate_simds`, `down_rows`, `down_simds`).
    """

    rows: int
    simds: int


def cut_gate_up(width: int, pairs: int) -> Cut:
    """For `width` rows of each pair of a token and an expert."""
    return Cut(_rows(width, pairs), SIDE_BY_SIDE)


def cut_down(hidden: int, tokens: int, top_k: int) -> Cut:
    """For `hidden` rows of each token."""
    simds = min(top_k, MOST_SIMDS)
    return Cut(_rows(hidden, tokens * simds), simds)


def _rows(outputs: int, times: int) -> int:
    rows = MOST_ROWS
    while rows > 1 and times * -(-outputs // rows) < ENOUGH:
        rows //= 2
    return rows


@dataclass(frozen=True, slots=True)
class Weights:
    """Words, scales and biases of each projection, [experts, outputs, …]."""

    gate: quantised.Experts
    up: quantised.Experts
    down: quantised.Experts


def launch(
    launchers: Launchers,
    x: mx.array,
    indices: mx.array,
    scores: mx.array,
    weights: Weights,
    cuts: tuple[Cut, Cut] | None = None,
) -> mx.array:
    """x [.., hidden], indices and scores [.., k] → the experts' weighted sum [.., hidden]."""
    hidden, top_k, width = x.shape[-1], indices.shape[-1], weights.gate[0].shape[1]
    tokens, pairs = x.size // hidden, indices.size
    gate_up, down = cuts or (cut_gate_up(width, pairs), cut_down(hidden, tokens, top_k))
    sizes = [("D", hidden), ("F", width), ("K", top_k)]
    blocks = -(-width // (gate_up.rows * gate_up.simds))
    (activation,) = launchers[GATE_UP](
        inputs=[x, indices, *weights.gate, *weights.up],
        template=[*sizes, ("ROWS", gate_up.rows), ("SIMDS", gate_up.simds)],
        grid=(LANES, gate_up.simds * blocks, pairs),
        threadgroup=(LANES, gate_up.simds, 1),
        output_shapes=[(pairs, width)],
        output_dtypes=[mx.float32],
    )
    (y,) = launchers[DOWN](
        inputs=[activation, indices, scores, *weights.down],
        template=[("T", x.dtype), *sizes, ("ROWS", down.rows), ("SIMDS", down.simds)],
        grid=(LANES * -(-hidden // down.rows), down.simds, tokens),
        threadgroup=(LANES, down.simds, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
    )
    return y


def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
    x, indices, scores = inputs["x"], inputs["indices"], inputs["scores"]
    weights = Weights(*(quantised.parts(inputs, name) for name in ("gate", "up", "down")))
    return (launch(launchers, x, indices, scores, weights, _cuts(case)),)


def _cuts(case: Case) -> tuple[Cut, Cut] | None:
    if "gate_rows" not in case.sizes:
        return None
    gate_up = Cut(case["gate_rows"], case["gate_simds"])
    return gate_up, Cut(case["down_rows"], case["down_simds"])


# ---- the same otherwise --------------------------------------------------------------------------


def stock(inputs: Inputs, case: Case) -> Outputs:
    x, indices = mx.expand_dims(inputs["x"], (-2, -3)), inputs["indices"]
    up = quantised.gathered(x, quantised.parts(inputs, "up"), indices)
    gate = quantised.gathered(x, quantised.parts(inputs, "gate"), indices)
    y = quantised.gathered(swiglu(gate, up), quantised.parts(inputs, "down"), indices)
    return (moe_stages.weighted_sum(y.squeeze(-2), inputs["scores"]),)


def joined(inputs: Inputs, case: Case) -> Outputs:
    """What `gate_up_concat` and `cached_lhs_indices` do together, in plain MLX: five launches."""
    x, indices = mx.expand_dims(inputs["x"], (-2, -3)), inputs["indices"]
    pairs = tuple(indices.shape)
    rows = quantised.row_numbers(tuple(x.shape[:-2]), pairs)
    both = quantised.gathered(x, quantised.parts(inputs, "both"), indices, rows)
    gate, up = mx.split(both, 2, axis=-1)
    rows = quantised.row_numbers(pairs, pairs)
    y = quantised.gathered(swiglu(gate, up), quantised.parts(inputs, "down"), indices, rows)
    return (moe_stages.weighted_sum(y.squeeze(-2), inputs["scores"]),)


def reference(inputs: Inputs, case: Case) -> Truth:
    return (_sums(inputs)[0],)


def magnitudes(inputs: Inputs, case: Case) -> tuple[np.ndarray[Any, Any] | None, ...]:
    return (_sums(inputs)[1],)


def _sums(inputs: Inputs) -> tuple[Values, Values]:
    """Truth, and the magnitudes added up for it, both [tokens, 1, hidden].

    Gate and up come with errors of their own, in proportion to their magnitudes; what those make
    of the result is added to what the last sum adds up.
    """
    indices, scores = np.array(inputs["indices"]), exact(inputs["scores"])
    chosen = indices.reshape(-1)
    x = np.repeat(exact(inputs["x"])[:, 0], indices.shape[-1], axis=0)
    gate, gate_size = quantised.dot(quantised.parts(inputs, "gate"), chosen, x)
    up, up_size = quantised.dot(quantised.parts(inputs, "up"), chosen, x)
    with np.errstate(over="ignore", invalid="ignore"):
        silu = gate / (1.0 + np.exp(-gate))
    error = STEEPEST * gate_size * np.abs(up) + np.abs(silu) * up_size
    down = quantised.parts(inputs, "down")
    y, y_size = quantised.dot(down, chosen, silu * up)
    y_error = quantised.spread(down, chosen, error)
    y, y_size, y_error = (
        each.reshape(*indices.shape, -1) * weight[..., None]
        for each, weight in ((y, scores), (y_size, np.abs(scores)), (y_error, scores))
    )
    return y.sum(axis=-2), y_size.sum(axis=-2) + np.sqrt((y_error**2).sum(axis=-2))


# ---- inputs --------------------------------------------------------------------------------------


def make_inputs(case: Case, dtype: mx.Dtype, seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    tokens, hidden, top_k = case["tokens"], case["hidden"], case["top_k"]
    sizes = {"gate": (case["width"], hidden), "up": (case["width"], hidden)}
    sizes["down"] = (hidden, case["width"])
    weights = {
        name: quantised.random_experts(random, case["experts"], outputs, columns, dtype)
        for name, (outputs, columns) in sizes.items()
    }
    weight, scales, biases = (
        mx.concatenate([gate, up], axis=1)
        for gate, up in zip(weights["gate"], weights["up"], strict=True)
    )
    weights["both"] = (weight, scales, biases)  # joined beforehand, as `install` would
    x = random.standard_normal((tokens, 1, hidden)).astype(np.float32)
    chosen = quantised.random_choice(random, tokens, case["experts"], top_k)
    scores = random.dirichlet(np.ones(top_k), (tokens, 1)).astype(np.float32)
    _spoil(case.values, x, chosen, scores)
    made = {"x": mx.array(x).astype(dtype), "scores": mx.array(scores).astype(dtype)}
    for name, experts in weights.items():
        made |= quantised.named(name, experts)
    return made | {"indices": mx.array(chosen)}


def _spoil(values: str, *arrays: np.ndarray[Any, Any]) -> None:
    """Make the inputs of the first token, or all, what the case is about."""
    x, chosen, scores = arrays
    if values == "repeated experts":
        chosen[0] = chosen[0, 0, 0]
    elif values == "zero scores":
        scores[0, 0, 1:] = 0.0
    elif values == "NaN in x":
        x[0, 0, 70] = np.nan
    elif values == "large x":
        x *= 100.0


def _case(
    name: str,
    shape: tuple[int, int],
    experts: int,
    top_k: int,
    values: str = "normal",
    tokens: int = 1,
    cuts: tuple[Cut, Cut] | None = None,
) -> Case:
    hidden, width = shape
    sizes = {"hidden": hidden, "width": width, "experts": experts, "top_k": top_k}
    if cuts:
        sizes |= {"gate_rows": cuts[0].rows, "gate_simds": cuts[0].simds}
        sizes |= {"down_rows": cuts[1].rows, "down_simds": cuts[1].simds}
    return Case(name, sizes | {"tokens": tokens}, values)


def bytes_moved(case: Case, dtype: mx.Dtype) -> int:
    """Reads the chosen experts once, x, indices and scores; writes y."""

    def projection(outputs: int, columns: int) -> int:
        return outputs * (columns * BITS // 8 + 2 * dtype.size * columns // GROUP_SIZE)

    hidden, width = case["hidden"], case["width"]
    expert = 2 * projection(width, hidden) + projection(hidden, width)
    pairs = case["tokens"] * case["top_k"]
    ends = 2 * case["tokens"] * hidden * dtype.size
    return pairs * (expert + mx.uint32.size + dtype.size) + ends


# ---- in a model ----------------------------------------------------------------------------------


def install(
    model: Any, launchers: Launchers, called: Callable[[], None]
) -> AbstractContextManager[int]:
    """In place of the experts of each block. Raises InputError for weights of another kind."""

    def stages(block: Any) -> moe_stages.Stages:
        switch = block.switch_mlp
        linears = (switch.gate_proj, switch.up_proj, switch.down_proj)
        weights = Weights(*map(_weights, linears))

        def experts(x: mx.array, indices: mx.array, scores: mx.array) -> mx.array:
            called()
            return launch(launchers, x, indices, scores, weights)

        return moe_stages.Stages(experts=experts)

    return moe_stages.replaced(model, stages)


def _weights(linear: Any) -> quantised.Experts:
    """The weights of a projection. Raises InputError unless they are affine, 4-bit, by 64."""
    kind = (getattr(linear, name, None) for name in ("mode", "bits", "group_size"))
    fits = type(linear) is QuantizedSwitchLinear and tuple(kind) == ("affine", BITS, GROUP_SIZE)
    if not fits or "bias" in linear:
        raise InputError(
            f"{NAME} fits experts of {BITS} bits in groups of {GROUP_SIZE} only",
            "use a 4-bit checkpoint with its default groups, or leave it out",
        )
    weight, scales, biases = (linear[part] for part in PARTS)
    return weight, scales, biases


def _kernel(name: str, file: str, first: tuple[str, ...], projections: str, output: str) -> Kernel:
    weights = (f"{each}_{part}" for each in projections.split() for part in PARTS)
    return Kernel(name, (*first, *weights), (output,), file, "header.metal")


EXPERIMENT = Experiment(
    name=NAME,
    summary="the experts in two launches: gate, up and SwiGLU; down and the weighted sum",
    hypothesis=(
        "Decode runs the experts as nine launches per layer, of which three read 20 MB of weights "
        "in products of a single row, at a third to a half of the memory's bandwidth. Two launches "
        "that read the same bytes, all experts at once, wait less and keep more reads going."
    ),
    prediction=Prediction(
        1.035,
        1.19,
        "launches 9 → 2 per layer; two-launch expert paths were published at +3.5…+19 % of the "
        "decode rate, and one lost on large experts",
    ),
    outputs=("y",),
    tolerances=(Tolerance(terms=LONGEST_SUM),),
    cases=(
        _case("qwen3-30b-a3b", (2048, 768), 128, 8),
        _case("small", (256, 128), 16, 4),
        _case("odd multiples of 64", (320, 192), 5, 3),
        _case("batch of 3", (128, 64), 8, 2, tokens=3),
        _case("one expert per token", (64, 64), 4, 1),
        _case("more experts than SIMD groups", (64, 128), 12, 11),
    ),
    edge_cases=(
        *(
            _case(values, (192, 64), 6, 3, values, tokens=2)
            for values in ("repeated experts", "zero scores", "NaN in x", "large x")
        ),
        _case("rows left over", (64, 64), 4, 3, cuts=(Cut(3, 2), Cut(5, 2))),
        _case("one row, one SIMD group", (64, 64), 4, 3, cuts=(Cut(1, 1), Cut(1, 1))),
        _case("tall cuts", (128, 64), 4, 3, tokens=2, cuts=(Cut(8, 4), Cut(8, 8))),
    ),
    make_inputs=make_inputs,
    run=run,
    stock=stock,
    baselines={"gate and up joined, row numbers kept": joined},
    reference=reference,
    magnitudes=magnitudes,
    bytes_moved=bytes_moved,
    launches=(9, 2),
    install=install,
    kernels=(
        _kernel(GATE_UP, "gate_up.metal", ("x", "indices"), "gate up", "activation"),
        _kernel(DOWN, "down.metal", ("activation", "indices", "scores"), "down", "y"),
    ),
    dtypes=(mx.float32, mx.bfloat16, mx.float16),
)
