"""Shares of passes, and many questions asked at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from mlxbench.stats.estimates import Estimate


def wilson(passes: int, n: int, level: float = 0.95) -> Estimate:
    """The share of `passes` among n ≥ 1 attempts, with its interval.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927)
    209-212: centre (p + z²/2n)/(1 + z²/n), half width z√(p(1-p)/n + z²/4n²)/(1 + z²/n). It stays
    within 0 and 1, and 0 of n is not ± 0.
    """
    share = passes / n
    z = NormalDist().inv_cdf(0.5 + level / 2)
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # At the ends the formula gives 0 and 1 but for a rounding.
    low = centre - half if passes else 0.0
    high = centre + half if passes < n else 1.0
    return Estimate(share, low, high, n)


def difference(passes_a: int, n_a: int, passes_b: int, n_b: int, level: float = 0.95) -> Estimate:
    """Share a minus share b of two independent samples; `n` is the smaller one's size.

    Newcombe, "Interval estimation for the difference between independent proportions", Statistics
    in Medicine 17 (1998) 873-890, method 10: each end combines the distances to the ends of the two
    Wilson intervals, so that it stays within -1 and 1.
    """
    a, b = wilson(passes_a, n_a, level), wilson(passes_b, n_b, level)
    assert a.low is not None and a.high is not None
    assert b.low is not None and b.high is not None
    value = a.value - b.value
    below = math.hypot(a.value - a.low, b.high - b.value)
    above = math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, value - below, value + above, min(n_a, n_b))


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value that two who answer the same items are equally good.

    `only_a` items were passed by a alone, `only_b` by b alone. Exact: the smaller count as a
    binomial of one half, doubled (McNemar, Psychometrika 12 (1947) 153-157; the exact form needs no
    large numbers). 1 where they never differ.
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for having asked them all, in the order given.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979)
    65-70: the smallest of m is multiplied by m, the next by m - 1, …, and none may undercut one
    before it.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted
