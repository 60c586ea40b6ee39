"""The router's softmax, top-k and renormalisation in one launch instead of five.

The rule that the indices obey is that of mlx on Metal, where `argpartition` is a stable ascending
sort: the slots go up by the softmax as rounded to the logits' type, NaN above everything, and
where two are equal the higher index stands, and wins, above the lower.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.errors import InputError
from mlxbench.lab import moe_stages
from mlxbench.lab.experiment import (
    Case,
    Experiment,
    Inputs,
    Kernel,
    Launcher,
    Launchers,
    Outputs,
    Prediction,
    Tolerance,
    Truth,
)
from mlxbench.lab.rounding import Values, exact, rounded

NAME = "softmax_topk"
LANES = 32
MOST_EXPERTS = 1024  # each lane keeps E / 32 of them in registers
MOST_CHOSEN = LANES  # each lane keeps one slot
UNSETTLED = 2.0**-19  # relative: what exp and a sum in float32 may be off, with room


def launch(
    launcher: Launcher, logits: mx.array, top_k: int, renormalise: bool
) -> tuple[mx.array, mx.array]:
    """Logits [.., E] → indices (uint32) and scores, both [.., top_k]: one SIMD group per token."""
    experts = logits.shape[-1]
    shape = (*logits.shape[:-1], top_k)
    indices, scores = launcher(
        inputs=[logits],
        template=[("T", logits.dtype), ("E", experts), ("K", top_k), ("NORM", renormalise)],
        grid=(LANES * (logits.size // experts), 1, 1),
        threadgroup=(LANES, 1, 1),
        output_shapes=[shape, shape],
        output_dtypes=[mx.uint32, logits.dtype],
    )
    return indices, scores


def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
    return launch(launchers[NAME], inputs["logits"], case["top_k"], bool(case["renormalise"]))


def stock(inputs: Inputs, case: Case) -> Outputs:
    return moe_stages.stock_router(inputs["logits"], case["top_k"], bool(case["renormalise"]))


def chosen_by_logit(inputs: Inputs, case: Case) -> Outputs:
    """Top-k of the logits, then a softmax of those: three launches, but ties are others."""
    logits, k = inputs["logits"], case["top_k"]
    indices = mx.argpartition(logits, kth=-k, axis=-1)[..., -k:]
    kept = mx.take_along_axis(logits, indices, axis=-1)
    if case["renormalise"]:
        return indices, mx.softmax(kept, axis=-1, precise=True)
    return indices, mx.exp(kept - mx.logsumexp(logits, axis=-1, keepdims=True))


def reference(inputs: Inputs, case: Case) -> Truth:
    """The rule for the indices; for the scores the softmax, not rounded anywhere on the way."""
    gates = _softmax(exact(inputs["logits"]))
    indices = _best(rounded(gates, inputs["logits"].dtype), case["top_k"])
    scores = np.take_along_axis(gates, indices, axis=-1)
    if case["renormalise"]:
        scores = scores / scores.sum(axis=-1, keepdims=True)
    return indices, scores


def magnitudes(inputs: Inputs, case: Case) -> tuple[np.ndarray[Any, Any] | None, ...]:
    """A score is a quotient of sums of positive terms, so its own size."""
    return None, reference(inputs, case)[1]


def _softmax(logits: Values) -> Values:
    with np.errstate(invalid="ignore"):  # inf - inf is NaN here as it is there
        exponentials: Values = np.exp(logits - logits.max(axis=-1, keepdims=True))
    gates: Values = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return gates


def _best(scores: Values, top_k: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The rule: numpy sorts NaN last too, and its stable sort keeps the higher index higher."""
    return np.argsort(scores, axis=-1, kind="stable")[..., -top_k:]


# ---- inputs --------------------------------------------------------------------------------------


def make_inputs(case: Case, dtype: mx.Dtype, seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    shape = (case["tokens"], case["experts"])
    if case.values == "normal":
        logits = _settled(random, shape, case["top_k"], dtype)
    else:
        logits = np.tile(ROWS[case.values](case["experts"]), (case["tokens"], 1))
    return {"logits": mx.array(logits.astype(np.float32)).astype(dtype)[:, None]}


def _settled(
    random: np.random.Generator, shape: tuple[int, int], top_k: int, dtype: mx.Dtype
) -> Values:
    """Rows whose choice does not hang on the last bits of an exponential, which no rule can fix.

    About one row in a thousand is drawn again.
    """
    logits = rounded(random.normal(0, 2, shape), dtype)
    while (again := _unsettled(logits, top_k, dtype)).any():
        logits[again] = rounded(random.normal(0, 2, (int(again.sum()), shape[1])), dtype)
    return logits


def _unsettled(logits: Values, top_k: int, dtype: mx.Dtype) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows in which two of the best differ by so little that rounding may turn their order."""
    order = np.argsort(logits, axis=-1, kind="stable")[:, -top_k - 1 :]
    sorted_logits = np.take_along_axis(logits, order, axis=-1)
    gates = np.take_along_axis(_softmax(logits), order, axis=-1)
    least, most = (rounded(gates * (1 + off), dtype) for off in (-UNSETTLED, UNSETTLED))
    differ = sorted_logits[:, 1:] != sorted_logits[:, :-1]
    overlap = most[:, :-1] >= least[:, 1:]
    tie = (most[:, :-1] == least[:, :-1]) & (most[:, 1:] == least[:, 1:])
    unsettled: np.ndarray[Any, np.dtype[np.bool_]] = (differ & overlap & ~tie).any(axis=-1)
    return unsettled


def _row(experts: int, *blocks: tuple[float, int]) -> Values:
    """Values with how many of them, repeated until there are as many as experts."""
    return np.resize(np.concatenate([np.full(count, value) for value, count in blocks]), experts)


ROWS: dict[str, Callable[[int], Values]] = {
    "all equal": lambda experts: _row(experts, (0.0, experts)),
    "two levels": lambda experts: _row(experts, (0.0, experts - experts // 4), (1.0, experts)),
    "ties at the cut": lambda experts: _row(experts, (3.0, 4), (1.0, 20), (0.0, experts)),
    "-inf mask": lambda experts: _row(
        experts, (-np.inf, experts - 3), (0.0, 1), (1.0, 1), (2.0, 1)
    ),
    "+inf": lambda experts: _row(experts, (0.0, experts - 1), (np.inf, 1)),
    "one NaN": lambda experts: _row(experts, (0.0, 5), (np.nan, 1), (0.0, experts)),
    "all -inf": lambda experts: _row(experts, (-np.inf, experts)),
    "huge": lambda experts: _row(experts, (-6e4, experts // 2), (6e4, experts)),
    "rising": lambda experts: np.linspace(-8.0, 8.0, experts),
}


def _case(
    name: str, tokens: int, experts: int, top_k: int, values: str = "normal", renormalise: int = 1
) -> Case:
    sizes = {"tokens": tokens, "experts": experts, "top_k": top_k, "renormalise": renormalise}
    return Case(name, sizes, values)


# ---- in a model ----------------------------------------------------------------------------------


def install(
    model: Any, launchers: Launchers, called: Callable[[], None]
) -> AbstractContextManager[int]:
    """In place of the router of each block. Raises InputError for one that it does not fit."""

    def stages(block: Any) -> moe_stages.Stages:
        if block.num_experts > MOST_EXPERTS or block.top_k > MOST_CHOSEN:
            raise InputError(
                f"{NAME} chooses up to {MOST_CHOSEN} of up to {MOST_EXPERTS} experts, not "
                f"{block.top_k} of {block.num_experts}",
                "leave it out for this model",
            )

        def router(logits: mx.array) -> tuple[mx.array, mx.array]:
            called()
            return launch(launchers[NAME], logits, block.top_k, block.norm_topk_prob)

        return moe_stages.Stages(router=router)

    return moe_stages.replaced(model, stages)


def bytes_moved(case: Case, dtype: mx.Dtype) -> int:
    read = case["experts"] * dtype.size
    written = case["top_k"] * (mx.uint32.size + dtype.size)
    return case["tokens"] * (read + written)


EXPERIMENT = Experiment(
    name=NAME,
    summary="softmax, top-k and renormalisation of the router in one launch",
    hypothesis=(
        "A decode step launches five small kernels per layer to choose the experts, each waiting "
        "for the one before; they cost their latency, not their work. One launch saves four."
    ),
    prediction=Prediction(
        1.025,
        1.05,
        "launches 5 → 1 per layer; this chain alone was published at +2.5…+5 % of the decode rate "
        "on an M3 Ultra with 256 experts",
    ),
    outputs=("indices", "scores"),
    tolerances=(Tolerance(exact=True), Tolerance(terms=128)),
    cases=(
        _case("qwen3-30b-a3b", 1, 128, 8),
        _case("qwen3-30b-a3b, batch of 7", 7, 128, 8),
        _case("100 experts", 5, 100, 4),
        _case("33 experts", 3, 33, 8),
        _case("60 experts", 4, 60, 4),
        _case("512 experts", 2, 512, 10),
        _case("all of 8 experts", 2, 8, 8),
        _case("not renormalised", 2, 128, 8, renormalise=0),
    ),
    edge_cases=(
        *(_case(values, 1, 128, 8, values=values) for values in ROWS),
        _case("one expert of many", 2, 1024, 1),
        _case("as many slots as lanes", 2, 70, 32),
        _case("ties among 100", 2, 100, 10, values="two levels"),
    ),
    make_inputs=make_inputs,
    run=run,
    stock=stock,
    baselines={"top-k of the logits first": chosen_by_logit},
    reference=reference,
    magnitudes=magnitudes,
    bytes_moved=bytes_moved,
    launches=(5, 1),
    install=install,
    kernels=(Kernel(NAME, inputs=("logits",), outputs=("indices", "scores")),),
    dtypes=(mx.float32, mx.bfloat16, mx.float16),
)
