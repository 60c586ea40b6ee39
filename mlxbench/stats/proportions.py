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
