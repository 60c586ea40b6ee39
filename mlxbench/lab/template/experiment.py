"""NAME: y = silu(gate) · up, one thread per element. Replace it by your own idea, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn.layers.activations import silu

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
from mlxbench.lab.rounding import exact

THREADS = 256


def launch(launcher: Launcher, gate: mx.array, up: mx.array) -> mx.array:
    """gate, up → y, all of one shape; a grid is a multiple of its threadgroup, the body guards."""
    blocks = -(-gate.size // THREADS)
    (y,) = launcher(
        inputs=[gate, up],
        template=[("T", gate.dtype), ("N", gate.size)],
        grid=(blocks * THREADS, 1, 1),
        threadgroup=(THREADS, 1, 1),
        output_shapes=[gate.shape],
        output_dtypes=[gate.dtype],
    )
    return y


def make_inputs(case: Case, dtype: mx.Dtype, seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    gate, up = (random.normal(0, 2, case["values"]).astype(np.float32) for _ in range(2))
    if case.values == "one NaN":
        gate[0] = np.nan
    return {"gate": mx.array(gate).astype(dtype), "up": mx.array(up).astype(dtype)}


def run(launchers: Launchers, inputs: Inputs, case: Case) -> Outputs:
    return (launch(launchers["NAME"], inputs["gate"], inputs["up"]),)


def stock(inputs: Inputs, case: Case) -> Outputs:
    return (silu(inputs["gate"]) * inputs["up"],)


def reference(inputs: Inputs, case: Case) -> Truth:
    """The truth in float64, from the very inputs."""
    gate, up = exact(inputs["gate"]), exact(inputs["up"])
    return (gate / (1 + np.exp(-gate)) * up,)


def magnitudes(inputs: Inputs, case: Case) -> tuple[np.ndarray[Any, Any] | None, ...]:
    return (np.abs(reference(inputs, case)[0]),)


def bytes_moved(case: Case, dtype: mx.Dtype) -> int:
    return 3 * case["values"] * dtype.size


@contextmanager
def install(model: Any, launchers: Launchers, called: Callable[[], None]) -> Iterator[int]:
    """In place of the activation between gate and up of every mixture's experts."""
    layers = [layer for layer in model.layers if _experts(layer) is not None]

    def activation(x: mx.array, gate: mx.array) -> mx.array:
        called()
        return launch(launchers["NAME"], gate, x)

    before = [_experts(layer).activation for layer in layers]
    for layer in layers:
        _experts(layer).activation = activation
    try:
        yield len(layers)
    finally:
        for layer, own in zip(layers, before, strict=True):
            _experts(layer).activation = own


def _experts(layer: Any) -> Any:
    return getattr(layer.mlp, "switch_mlp", None)


EXPERIMENT = Experiment(
    name="NAME",
    summary="silu(gate) times up, one thread per element",
    hypothesis="What do you believe, and why?",
    prediction=Prediction(1.0, 1.0, "what should it bring to a decode step, and why?"),
    outputs=("y",),
    tolerances=(Tolerance(roundings=3, terms=16),),
    cases=(Case("decode of 30B-A3B", {"values": 8 * 768}), Case("odd size", {"values": 1001})),
    edge_cases=(Case("one value", {"values": 1}), Case("one NaN", {"values": 64}, "one NaN")),
    make_inputs=make_inputs,
    run=run,
    stock=stock,
    reference=reference,
    magnitudes=magnitudes,
    bytes_moved=bytes_moved,
    launches=(1, 1),
    install=install,
    kernels=(Kernel("NAME", inputs=("gate", "up"), outputs=("y",)),),
)
