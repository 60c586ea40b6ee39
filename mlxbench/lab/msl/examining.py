"""Examines a kernel at one launch: lint, compile, run it watched, run it in other orders, compare.

The watched run finds what is wrong in itself, whatever the order. The plain runs that follow are
quick. One in the same order must give the same result, or the kernel returns something that it
never set; and those in other orders must, or it relies on an order that a GPU does not keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.lab.msl import arrays, assembling, building, compiler, house_rules, translating
from mlxbench.lab.msl.arrays import Bytes
from mlxbench.lab.msl.building import Program
from mlxbench.lab.msl.compiler import Compiler
from mlxbench.lab.msl.findings import Finding, KernelError, Kind
from mlxbench.lab.msl.running import Run, SharedBuffers, shared
from mlxbench.lab.msl.source import Checks, KernelSource, Launch
from mlxbench.lab.msl.text import blank_comments

# Sums of floats by atomics are rounded in another way in each order. Relative to the largest value.
ATOMIC_TOLERANCE = 1e-3
_NORMAL = Checks()


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What an examination gave.

    `outputs` is `None` unless every run was clean; findings against house rules alone do not stop a
    kernel. `n_compiled` counts programs that were made, rather than taken from the cache.
    """

    outputs: tuple[mx.array, ...] | None
    findings: tuple[Finding, ...]
    n_compiled: int = 0


def run(
    kernel: KernelSource,
    inputs: Sequence[Any],
    launch: Launch,
    checks: Checks = _NORMAL,
    *,
    clang: Compiler | None = None,
) -> tuple[mx.array, ...]:
    """The outputs of a kernel that is right. Raises KernelError with all findings if it is not."""
    outcome = examine(kernel, inputs, launch, checks, clang=clang)
    if outcome.findings or outcome.outputs is None:
        raise KernelError(kernel.name, outcome.findings)
    return outcome.outputs


def examine(
    kernel: KernelSource,
    inputs: Sequence[Any],
    launch: Launch,
    checks: Checks = _NORMAL,
    *,
    clang: Compiler | None = None,
) -> Outcome:
    """Findings and outputs of a kernel at one launch; `clang` is the compiler, else any.

    Raises InputError without a compiler, AssemblyError for an unknown mlx, MlxbenchError if the
    machine cannot run it, and what mlx raises for arguments that do not fit together.
    """
    if beyond := house_rules.limits(launch):
        return Outcome(None, beyond)
    against: tuple[Finding, ...] = ()
    if checks.house_rules:
        against = house_rules.of_launch(launch) + house_rules.of_source(kernel)
    try:
        outcome = _compile_and_run(kernel, [*map(arrays.as_array, inputs)], launch, checks, clang)
    except KernelError as error:
        outcome = Outcome(None, error.findings)
    return Outcome(outcome.outputs, against + outcome.findings, outcome.n_compiled)


def _compile_and_run(
    kernel: KernelSource,
    inputs: Sequence[mx.array],
    launch: Launch,
    checks: Checks,
    clang: Compiler | None,
) -> Outcome:
    assembled = assembling.assemble(kernel, inputs, launch)
    if beyond := house_rules.of_buffers(assembled.buffers):
        return Outcome(None, beyond)
    text = translating.translate(kernel.name, assembled)
    buffers = arrays.buffers_of(kernel, inputs, launch, assembled.buffers)
    clang = clang or compiler.find()
    programs: list[Program] = []

    def program(checked: bool) -> Path:
        programs.append(building.build(kernel.name, text, checked, clang))
        return programs[-1].path

    with shared(buffers) as memory:
        findings, outputs = _run_all(kernel, launch, checks, program, memory)
    n_compiled = sum(made.compiled for made in programs)
    if findings:
        return Outcome(None, findings, n_compiled)
    described = zip(outputs, launch.output_shapes, launch.output_dtypes, strict=True)
    return Outcome(tuple(arrays.from_bytes(*output) for output in described), (), n_compiled)


def _run_all(
    kernel: KernelSource,
    launch: Launch,
    checks: Checks,
    program: Callable[[bool], Path],
    memory: SharedBuffers,
) -> tuple[tuple[Finding, ...], tuple[Bytes, ...]]:
    """The first run's outputs if all runs are clean and agree, else findings.

    `program` makes the checked or the plain program once it is needed.
    """
    orders = checks.orders or (0,)
    runs = [(False, order) for order in orders]
    if checks.memory:
        runs.insert(0, (True, orders[0]))
    first: Run | None = None
    for checked, order in runs:
        latest = memory.run(program(checked), launch, order, checks.time_limit_s)
        if latest.findings:
            return latest.findings, ()
        if first is None:
            first = latest
            continue
        difference = _difference(kernel, launch, first, latest)
        if difference is not None:
            return (_disagreement(difference, order if order != orders[0] else None),), ()
    assert first is not None
    return (), first.outputs


def _disagreement(difference: str, order: int | None) -> Finding:
    if order is None:
        return Finding(
            Kind.UNINITIALISED,
            f"{difference} according to what variables hold that the kernel never set",
        )
    name = {0: "forwards", 1: "backwards"}.get(order, f"in the shuffled order {order}")
    return Finding(Kind.ORDER_DEPENDENT, f"{difference} when threads run {name}")


def _difference(kernel: KernelSource, launch: Launch, one: Run, other: Run) -> str | None:
    """The first element in which two runs differ, in words."""
    tolerance = ATOMIC_TOLERANCE if _adds_atomically(kernel) else 0.0
    described = zip(kernel.output_names, launch.output_dtypes, strict=True)
    for (name, dtype), a, b in zip(described, one.outputs, other.outputs, strict=True):
        if np.array_equal(a, b):
            continue
        x, y = (_values(content, dtype) for content in (a, b))
        different = _differ(x, y, tolerance)
        if different.any():
            i = int(different.argmax())
            return f"element {i} of output '{name}' is {x[i]} in one run and {y[i]} in another,"
    return None


def _values(content: Bytes, dtype: mx.Dtype) -> np.ndarray[Any, Any]:
    flat = arrays.from_bytes(content, (-1,), dtype)
    return np.array(flat.astype(mx.float32) if dtype == mx.bfloat16 else flat)


def _differ(
    x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], tolerance: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which elements differ; all NaN are alike."""
    different: np.ndarray[Any, np.dtype[np.bool_]] = x != y
    if x.dtype.kind != "f":
        return different
    different &= ~(np.isnan(x) & np.isnan(y))
    if tolerance:
        scale = np.nanmax(np.abs(np.where(np.isfinite(x), x, 0.0)), initial=0.0)
        with np.errstate(invalid="ignore"):
            different &= ~(np.abs(x - y) <= tolerance * scale)
    return different


def _adds_atomically(kernel: KernelSource) -> bool:
    code = blank_comments(kernel.header) + blank_comments(kernel.source)
    return "atomic_fetch_add" in code or "atomic_compare_exchange" in code
