"""Student's t: its quantiles and its tail."""

from __future__ import annotations

import math
from functools import lru_cache

# Of a logarithm of seconds: what no clock can tell apart is no difference.
LOG_DIGITS = 9

# scipy.special takes a third of a second to import, so each function imports it when it is called.


@lru_cache(maxsize=4096)
def t_quantile(level: float, degrees_of_freedom: int) -> float:
    """The two-sided quantile of Student's t: `level` of the mass lies within ± it."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.5 + level / 2))


def two_sided_p(t: float, degrees_of_freedom: int) -> float:
    """The chance of a t at least this far from 0, on either side, where there is no effect."""
    from scipy.special import stdtr

    return 2 * float(stdtr(degrees_of_freedom, -abs(t)))


def t_ratio(value: float, standard_error: float) -> float:
    """`value` in standard errors; without any spread, 0 is 0 and all else is infinitely far."""
    if standard_error > 0:
        return value / standard_error
    return math.copysign(math.inf, value) if value else 0.0
