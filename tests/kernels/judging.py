"""The experiments that come with mlxbench, run on the CPU and held against their truth."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.lab import msl
from mlxbench.lab.discovery import Found, discover
from mlxbench.lab.experiment import Case, Inputs, Launchers, Outputs, Tolerance
from mlxbench.lab.rounding import FORMATS, exact

FOUND = discover()
CLOSELY = msl.Checks()
QUICKLY = msl.Checks(memory=False, orders=(0,))
MANY_WEIGHTS = 2_000_000  # read by one call: too many to watch each access within a test
NEAR_STOCK = 1.25


def launchers(found: Found, checks: msl.Checks, **edits: tuple[str, str]) -> Launchers:
    """The kernels of an experiment; `edits` replace one text in the source of the named one."""
    made = {}
    for kernel in found.experiment.kernels:
        source = found.source(kernel)
        if kernel.name in edits:
            old, new = edits[kernel.name]
            assert source.count(old) == 1, (old, source.count(old))
            source = source.replace(old, new)
        made[kernel.name] = msl.metal_kernel(
            kernel.name,
            kernel.inputs,
            kernel.outputs,
            source,
            found.header(kernel),
            kernel.ensure_row_contiguous,
            checks=checks,
        )
    return made


def checks_for(found: Found, case: Case) -> msl.Checks:
    watched = 2 * found.experiment.bytes_moved(case, mx.bfloat16) < MANY_WEIGHTS
    return CLOSELY if watched else QUICKLY


def faults(found: Found, case: Case, inputs: Inputs, outputs: Outputs) -> list[str]:
    """What is wrong with outputs, one line each."""
    experiment = found.experiment
    stock = experiment.stock(inputs, case)
    references = experiment.reference(inputs, case)
    assert experiment.magnitudes is not None
    sizes = experiment.magnitudes(inputs, case)
    wrong = []
    for name, output, usual, reference, size, tolerance in zip(
        experiment.outputs, outputs, stock, references, sizes, experiment.tolerances, strict=True
    ):
        if (output.shape, output.dtype) != (usual.shape, usual.dtype):
            wrong.append(f"{name}: {output.shape} {output.dtype}")
        elif fault := _fault(exact(output), reference, size, tolerance, output.dtype):
            alike = tolerance.like_stock and not _fault_beside(output, usual, reference)
            wrong += [] if alike else [f"{name}: {fault}"]
    return wrong


def _fault(
    values: np.ndarray[Any, Any],
    reference: np.ndarray[Any, Any],
    size: np.ndarray[Any, Any] | None,
    tolerance: Tolerance,
    dtype: mx.Dtype,
) -> str:
    if tolerance.exact:
        return "" if np.array_equal(values, reference) else f"{values} is not {reference}"
    if not np.array_equal(np.isnan(values), np.isnan(reference)):
        return "NaN elsewhere"
    assert size is not None
    bits, _ = FORMATS[dtype]
    allowed = tolerance.roundings * 2.0**-bits * np.abs(reference)
    allowed = allowed + np.sqrt(tolerance.terms) * 2.0**-24 * size
    error = np.abs(values - reference)
    over = error[~np.isnan(reference)] > allowed[~np.isnan(reference)]
    return f"{over.sum()} too far, by up to {np.nanmax(error)}" if over.any() else ""


def _fault_beside(output: mx.array, usual: mx.array, reference: np.ndarray[Any, Any]) -> bool:
    """Whether an output is further from the truth than stock's own."""
    ours, theirs = (float(np.abs(exact(each) - reference).max()) for each in (output, usual))
    ulp = 2.0 ** (1 - FORMATS[output.dtype][0]) * float(np.abs(reference).max())
    return ours > NEAR_STOCK * theirs + ulp
