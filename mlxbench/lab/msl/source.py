"""A kernel and a launch of it, in the terms of `mx.fast.metal_kernel`; and how to examine them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

TemplateValue = int | bool | mx.Dtype
Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSource:
    """What is given once: the arguments of `mx.fast.metal_kernel`, with its names and defaults."""

    name: str
    input_names: Sequence[str]
    output_names: Sequence[str]
    source: str
    header: str = ""
    ensure_row_contiguous: bool = True
    atomic_outputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is given at each call, with the names of the function that `metal_kernel` returns."""

    grid: Size
    threadgroup: Size
    output_shapes: Sequence[Sequence[int]]
    output_dtypes: Sequence[mx.Dtype]
    template: Sequence[tuple[str, TemplateValue]] = ()
    init_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How closely to look.

    `memory`: watch every access (some five times slower). `orders`: run again with threads in other
    orders and compare: 0 forwards, 1 backwards, others shuffled by that seed. `house_rules`: refuse
    what our own rules forbid although Metal takes it. `time_limit_s`: for each single run.
    """

    memory: bool = True
    orders: tuple[int, ...] = (0, 1, 2)
    house_rules: bool = True
    time_limit_s: float = 60.0
