"""Estimates: a value never travels without its interval and sample size.

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
from numpy.typing import NDArray

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


def t_quantile(level: float, degrees_of_freedom: int) -> float:
    """The two-sided quantile of Student's t: `level` of the mass lies within ± it."""
    from scipy.special import stdtrit  # a third of a second to import, so only where it is needed

    return float(stdtrit(degrees_of_freedom, 0.5 + level / 2))


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


def is_steady(values: Sequence[float]) -> bool:
    """Whether the last two means of three consecutive values agree within 0.5 %."""
    if len(values) < STEADY_WINDOW + 1:
        return False
    latest = math.fsum(values[-STEADY_WINDOW:])
    before = math.fsum(values[-STEADY_WINDOW - 1 : -1])
    return abs(latest - before) <= STEADY_TOLERANCE * before


def effective_size(values: Sequence[float]) -> float:
    """Independent values worth as much as these: n(1-φ)/(1+φ), φ the lag-1 autocorrelation.

    The AR(1) form of the variance inflation of a mean; a negative φ is taken as 0, so that n_eff
    never exceeds n.
    """
    x: NDArray[np.float64] = np.asarray(values, float)
    centred = x - x.mean()
    power = float(centred @ centred)
    if len(x) < 3 or power == 0:
        return float(len(x))
    phi = max(0.0, float(centred[1:] @ centred[:-1]) / power)
    return len(x) * (1 - phi) / (1 + phi)


def percentile(values: Sequence[float], fraction: float, level: float = 0.95) -> Estimate | None:
    """A percentile with its order-statistic interval; `None` where n_eff is too small for one.

    The interval takes the ranks whose binomial coverage is at least `level` on each side (David and
    Nagaraja, Order Statistics, 3rd ed., sec. 7.1), with n_eff in place of n. It exists only where
    both ranks do: n_eff >= 36, 72 and 368 for p90, p95 and p99.
    """
    from scipy.special import bdtr

    ordered = np.sort(np.asarray(values, float))
    size = int(effective_size(values))
    if size < 1:
        return None
    below = bdtr(np.arange(size + 1), size, fraction)  # P(at most k of them lie below)
    tail = (1 - level) / 2
    low, high = int(np.searchsorted(below, tail)), int(np.searchsorted(below, 1 - tail)) + 1
    if low < 1 or high > size:
        return None
    # Ranks among n_eff values, stretched to the n that there are.
    ranks = (np.array([low, high]) - 0.5) / size * len(ordered) - 0.5
    bounds = np.interp(ranks, np.arange(len(ordered)), ordered)
    value = float(np.quantile(ordered, fraction))
    return Estimate(value, float(bounds[0]), float(bounds[1]), len(ordered))


def outliers(values: Sequence[float]) -> tuple[int, ...]:
    """Indices further from the median than 14.8 median absolute deviations; reported, never cut."""
    x = np.asarray(values, float)
    if len(x) < 3:
        return ()
    distance = np.abs(x - np.median(x))
    spread = float(np.median(distance))
    if spread == 0:
        return ()
    return tuple(int(i) for i in np.flatnonzero(distance > OUTLIER_MADS * spread))
