"""Does the machine slow down while one measures?

The trap: pace wanders slowly, so values next to each other share their errors and a straight line
through them looks surer than it is. A trend is an alarm, never a correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxbench.stats.student import LOG_DIGITS, t_quantile, t_ratio, two_sided_p

FEWEST_POINTS = 3
TREND_ALARM = 0.01


@dataclass(frozen=True, slots=True)
class Trend:
    """How the pace changed from the first value to the last: 0.03 is 3 % more time per token."""

    change: float
    low: float
    high: float
    p: float
    n: int

    @property
    def alarming(self) -> bool:
        """Whether pure chance would rarely show such a trend."""
        return self.p < TREND_ALARM


def trend(at_s: Sequence[float], paces: Sequence[float], level: float = 0.95) -> Trend | None:
    """The straight line through ln(pace) over time; `None` below three different moments.

    Ordinary least squares, slope ± t_(n-2)·s/√Σ(x - x̄)² (Draper and Smith, Applied Regression
    Analysis, 3rd ed., ch. 1), times the span from the first moment to the last. `at_s` may as
    well be the trials' numbers.
    """
    x, n = np.asarray(at_s, float), len(at_s)
    if n < FEWEST_POINTS or np.ptp(x) == 0:
        return None
    y = np.log(np.asarray(paces, float))
    y = np.round(y - y[0], LOG_DIGITS)
    away = x - x.mean()
    power = float(away @ away)
    slope = float(away @ y) / power
    residuals = y - y.mean() - slope * away
    error = float(np.sqrt(residuals @ residuals / (n - 2) / power))
    reach = t_quantile(level, n - 2) * error
    span = float(np.ptp(x))
    return Trend(
        change=math.expm1(slope * span),
        low=math.expm1((slope - reach) * span),
        high=math.expm1((slope + reach) * span),
        p=two_sided_p(t_ratio(slope, error), n - 2),
        n=n,
    )
