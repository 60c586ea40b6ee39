"""What small things cost on this device, a launch and a value asked for; and what MLX holds.

A launch is timed by difference: chains of two lengths, each operation waiting for the one before.
What comes once per evaluation cancels, and what is left per operation is a launch. The graph is
built before the clock starts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
from mlx_lm.generate import generation_stream

SHORT, LONG = 128, 1152  # launches
VALUES = 32
TRIPS = 50


@dataclass(frozen=True, slots=True)
class Launch:
    """Seconds per launch, one figure for each pair of a short and a long chain."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def launch(repeats: int) -> Launch:
    """What one more tiny operation adds to a chain of them."""
    chain(LONG)  # the first compiles
    return Launch(tuple((chain(LONG) - chain(SHORT)) / (LONG - SHORT) for _ in range(repeats)))


def chain(length: int) -> float:
    """Seconds that a chain of so many dependent operations takes."""
    with mx.stream(generation_stream):
        x, one = mx.zeros(VALUES), mx.ones(VALUES)
        mx.eval(x, one)
        for _ in range(length):
            x = x + one
        began = time.perf_counter()
        mx.eval(x)
        return time.perf_counter() - began


def round_trip() -> float:
    """Seconds from asking for one tiny result to holding it, as the median of several."""
    seconds = []
    with mx.stream(generation_stream):
        x = mx.zeros(1)
        for _ in range(TRIPS):
            began = time.perf_counter()
            (x + 1).item()
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def held_bytes() -> int:
    """What MLX holds in memory now, after giving back what it only keeps for later."""
    mx.synchronize(generation_stream)
    mx.clear_cache()
    return mx.get_active_memory()


def wired_limit_bytes(set_limit: Callable[[int], int] = mx.set_wired_limit) -> int:
    """How much MLX may wire down now. The only way to ask is to set another limit for a moment."""
    before = set_limit(0)
    set_limit(before)
    return before
