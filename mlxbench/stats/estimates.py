"""Estimates of one arm: a value never travels without its interval and sample size.

Two traps shape this module. Rates must not be averaged: a stall is short in tokens and long in
seconds, so the mean of rates flatters (+1.9 % per token under ordinary stalls); throughput is total
tokens over total time. And whoever stops as soon as the interval looks narrow stops too early, so
single-arm intervals use the 97 % quantile of t, which covers 96-97 % after stopping and is quoted
as 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxbench.stats.student import t_quantile

STOPPING_LEVEL = 0.97
STEADY_WINDOW = 3
STEADY_TOLERANCE = 0.005
OUTLIER_MADS = 14.8  # 10 standard deviations of a normal distribution


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and the number of trials behind it.

    `low` and `high` are `None` where there are too few trials for an interval.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval's width over the value; `None` without an interval."""
        if self.low is None or self.high is None or self.value == 0:
            return None
        return (self.high - self.low) / 2 / abs(self.value)


def mean(values: Sequence[float], level: float = STOPPING_LEVEL) -> Estimate:
    """Arithmetic mean with a t interval, for times and sizes. Never for rates: see `throughput`."""
    n = len(values)
    centre = math.fsum(values) / n
    if n < 2:
        return Estimate(centre, None, None, n)
    half = t_quantile(level, n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Estimate(centre, centre - half, centre + half, n)


def throughput(
    counts: Sequence[float], seconds: Sequence[float], level: float = STOPPING_LEVEL
) -> Estimate:
    """Total count over total time, with an interval.

    The interval is that of the ratio estimator τ = ΣT/ΣN (Cochran, Sampling Techniques, 3rd ed.,
    eq. 6.13: residuals T - τN, standard error s/(N̄√n)), inverted; so it is not symmetric, and
    `high` is `None` where the interval of τ reaches 0.
    """
    tokens, times = np.asarray(counts, float), np.asarray(seconds, float)
    n = len(tokens)
    tau = times.sum() / tokens.sum()
    if n < 2:
        return Estimate(float(1 / tau), None, None, n)
    spread = np.sqrt(np.sum((times - tau * tokens) ** 2) / (n - 1))
    half = t_quantile(level, n - 1) * spread / (tokens.mean() * math.sqrt(n))
    high = float(1 / (tau - half)) if half < tau else None
    return Estimate(float(1 / tau), float(1 / (tau + half)), high, n)


def bandwidth_utilisation(
    rate: Estimate, bytes_per_token: float, bandwidth_bytes_per_s: float
) -> Estimate:
    """Memory bandwidth utilisation (MBU), the fraction of the bandwidth that decoding achieves.

    Bytes read per token × tokens/s ÷ bandwidth. As honest as its parts: take the bytes that a token
    reads at that depth (active weights and KV cache, one sequence at a time), and a bandwidth that
    was measured.
    """
    share = bytes_per_token / bandwidth_bytes_per_s
    low = None if rate.low is None else rate.low * share
    high = None if rate.high is None else rate.high * share
    return Estimate(rate.value * share, low, high, rate.n)


def is_steady(values: Sequence[float]) -> bool:
    """Whether the last two means of three consecutive values agree within 0.5 %."""
    if len(values) < STEADY_WINDOW + 1:
        return False
    latest = math.fsum(values[-STEADY_WINDOW:])
    before = math.fsum(values[-STEADY_WINDOW - 1 : -1])
    return abs(latest - before) <= STEADY_TOLERANCE * before


def outliers(values: Sequence[float]) -> tuple[int, ...]:
    """Indices further from the median than 14.8 median absolute deviations; reported, never cut.

    Where half the values are equal that deviation is 0 and says nothing, so none is marked.
    """
    x = np.asarray(values, float)
    if len(x) < 3:
        return ()
    distance = np.abs(x - np.median(x))
    spread = float(np.median(distance))
    if spread == 0:
        return ()
    return tuple(int(i) for i in np.flatnonzero(distance > OUTLIER_MADS * spread))
