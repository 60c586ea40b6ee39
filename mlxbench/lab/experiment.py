"""What a kernel experiment is: a folder with an `experiment.py` that holds one `EXPERIMENT`.

The same object is checked, timed alone, and swapped into a model. It names its Metal sources as
`Kernel`s, and gets them back as functions of the calling form of `mx.fast.metal_kernel`, made by
whatever backend runs them: Metal itself, the CPU runner, or a CUDA twin. An experiment without
kernels is a trick in plain MLX; it goes through the same tests, as the baseline that a kernel must
beat.

The reference is the truth: computed in float32 or better from the very inputs, never by the
operations that a kernel replaces, whose own rounding may be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import mlx.core as mx
import numpy as np

Inputs = Mapping[str, mx.array]
Outputs = tuple[mx.array, ...]
Truth = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One Metal source of an experiment: a body in `file`, helpers in `header`, by its signature.

    `scalars` names the inputs without dimensions: references on Metal, pointers on CUDA.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    file: str = "kernel.metal"
    header: str | None = None
    scalars: tuple[str, ...] = ()
    ensure_row_contiguous: bool = True


class Launcher(Protocol):
    """A kernel ready to run, called as what `mx.fast.metal_kernel` returns is called."""

    def __call__(
        self,
        *,
        inputs: Sequence[mx.array],
        template: Sequence[tuple[str, Any]],
        grid: tuple[int, int, int],
        threadgroup: tuple[int, int, int],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[mx.Dtype],
        init_value: float | None = None,
    ) -> list[mx.array]: ...


Launchers = Mapping[str, Launcher]


@dataclass(frozen=True, slots=True)
class Case:
    """One problem size, and the kind of values in it; the names of `sizes` are the experiment's."""

    name: str
    sizes: Mapping[str, int]
    values: str = "normal"

    def __getitem__(self, size: str) -> int:
        return self.sizes[size]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far one output may be from the truth.

    `exact` is for indices: equal in every element. Otherwise an element may differ by
    `roundings` roundings of its type, |ref| · roundings · 2⁻⁸ in bf16 (2⁻¹¹ in f16, 2⁻²⁴ in f32),
    plus `√terms · 2⁻²⁴` times the sum of the magnitudes that were added up for it, which
    `magnitude` gives (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 4.2:
    rounding errors of a sum of n terms grow as √n where they are random).

    With `like_stock`, an output that misses this passes too where it is as near to the truth as
    stock's own: for tricks in plain MLX, which cannot be better than the operations they are made
    of (mlx's matrix products on the CPU add bf16 up in bf16).
    """

    exact: bool = False
    roundings: float = 1.0
    terms: int = 1
    like_stock: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the kernel should bring to a whole decode step, before anybody measured it.

    `ratio` is decode speed with it over without, as a range; `why` says where it comes from.
    """

    low: float
    high: float
    why: str


Installer = Callable[[Any, Launchers, Callable[[], None]], AbstractContextManager[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Everything that the lab needs to know of one idea.

    - `cases`: the first is the decode shape, which `bench` times; `edge_cases` are checked only.
    - `make_inputs(case, dtype, seed)`: the inputs by name; `values` of the case says which kind.
    - `run(launchers, inputs, case)`: ours. `stock(inputs, case)`: mlx-lm's operations, in its
      order. `baselines`: other plain-MLX ways, by name.
    - `reference(inputs, case)`: the truth for each output, float64, float32 or integers.
    - `magnitudes(inputs, case)`: for each output the sum of the magnitudes added up per element,
      `None` where the output is exact.
    - `bytes_moved(case, dtype)`: what the operation must read and write at least.
    - `launches`: how many kernels stock and ours launch for one call.
    - `install(model, launchers, called)`: a context manager that patches a loaded mlx-lm model, and
      yields how often `called()` must be seen in each decode step: once for each place patched. It
      raises InputError for a model that it does not fit.
    """

    name: str
    summary: str
    hypothesis: str
    prediction: Prediction
    outputs: tuple[str, ...]
    tolerances: tuple[Tolerance, ...]
    cases: tuple[Case, ...]
    make_inputs: Callable[[Case, mx.Dtype, int], Inputs]
    run: Callable[[Launchers, Inputs, Case], Outputs]
    stock: Callable[[Inputs, Case], Outputs]
    reference: Callable[[Inputs, Case], Truth]
    bytes_moved: Callable[[Case, mx.Dtype], int]
    launches: tuple[int, int]
    install: Installer
    kernels: tuple[Kernel, ...] = ()
    magnitudes: Callable[[Inputs, Case], tuple[np.ndarray[Any, Any] | None, ...]] | None = None
    baselines: Mapping[str, Callable[[Inputs, Case], Outputs]] = field(default_factory=dict)
    edge_cases: tuple[Case, ...] = ()
    dtypes: tuple[mx.Dtype, ...] = (mx.float32, mx.bfloat16)
