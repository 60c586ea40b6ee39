"""Percentiles of token latencies, only where there are enough tokens for an interval.

The trap: neighbouring tokens resemble each other, so a thousand of them may be worth fifty
independent ones, and the interval must be as wide as for fifty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlxbench.stats.estimates import Estimate


def effective_size(values: Sequence[float]) -> float:
    """Independent values worth as much as these: n(1-φ)/(1+φ), φ the lag-1 autocorrelation.

    The AR(1) form of the variance inflation of a mean; a negative φ is taken as 0, so that n_eff
    never exceeds n.
    """
    x: NDArray[np.float64] = np.asarray(values, float)
    if len(x) < 3 or np.ptp(x) == 0:  # their mean can be off by a rounding, so not its distances
        return float(len(x))
    centred = x - x.mean()
    phi = max(0.0, float(centred[1:] @ centred[:-1]) / float(centred @ centred))
    return len(x) * (1 - phi) / (1 + phi)


def fewest(fraction: float, level: float = 0.95) -> int:
    """The smallest n_eff that gives a percentile its interval: 36, 72, 368 for p90, p95, p99.

    The largest of n values is below the percentile with probability fraction^n, the smallest above
    it with (1-fraction)^n; neither may be more likely than what the interval leaves on a side.
    """
    return math.ceil(math.log((1 - level) / 2) / math.log(max(fraction, 1 - fraction)))


def percentile(values: Sequence[float], fraction: float, level: float = 0.95) -> Estimate | None:
    """A percentile with its order-statistic interval; `None` where n_eff is too small for one.

    The interval takes the ranks whose binomial coverage is at least `level` on each side (David and
    Nagaraja, Order Statistics, 3rd ed., sec. 7.1), with n_eff in place of n. It exists only where
    both ranks do: see `fewest`.
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
