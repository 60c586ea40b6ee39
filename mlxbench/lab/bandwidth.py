"""How fast this machine's memory really is: what a kernel's rate is held against.

A large array is read and written once (`x + 1`), and read once (`sum`); the faster of the two, as
the median of several passes, is the bandwidth. A specification's figure is never reached. On a CPU
whose cache holds the array, the figure is partly the cache's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

PASSES = 7
GPU_VALUES, CPU_VALUES = 1 << 28, 1 << 25  # float32: 1 GiB is beyond any GPU's cache


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes per second, as the median of `passes`, with the slowest and the fastest."""

    bytes_per_s: float
    low: float
    high: float
    passes: int


def measure(values: int | None = None) -> Bandwidth:
    """Measure now, for a second or two."""
    on_cpu = mx.default_device() == mx.Device(mx.cpu)
    array = mx.ones(values or (CPU_VALUES if on_cpu else GPU_VALUES), dtype=mx.float32)
    mx.eval(array)
    copied = _passes(lambda: array + 1, 2 * array.nbytes)
    summed = _passes(lambda: mx.sum(array), array.nbytes)
    best = max(copied, summed, key=statistics.median)
    return Bandwidth(statistics.median(best), min(best), max(best), PASSES)


def _passes(make: Callable[[], mx.array], moved: int) -> list[float]:
    mx.eval(make())  # the first allocates
    rates = []
    for _ in range(PASSES):
        began = time.perf_counter()
        mx.eval(make())
        rates.append(moved / (time.perf_counter() - began))
    return rates
