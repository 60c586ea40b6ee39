"""Two runs that were not interleaved: weaker, because whatever changed in between is in the ratio.

Only for what is stored already. A difference shown here may be the machine's mood on two days; the
interval knows nothing of that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mlxbench.stats.paired import Contrast, Effect

FEWEST_TRIALS = 3


def unpaired_effect(a_seconds: Sequence[float], b_seconds: Sequence[float]) -> Effect | None:
    """The log speed-up of B over A from separate trials; `None` below three of either.

    Welch's t on logarithms, with the Welch-Satterthwaite degrees of freedom rounded down (Welch,
    Biometrika 34 (1947) 28-35). There is no order to adjust for, so the order effect is 0.
    """
    if min(len(a_seconds), len(b_seconds)) < FEWEST_TRIALS:
        return None
    logs = [[math.log(value) for value in values] for values in (a_seconds, b_seconds)]
    shares = [statistics.variance(values) / len(values) for values in logs]
    error = math.sqrt(math.fsum(shares))
    degrees = _degrees(shares, [len(values) for values in logs])
    difference = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    return Effect(
        log_speedup=Contrast(difference, error, degrees),
        order=Contrast(0.0, error, degrees),
        spread=error * math.sqrt(min(map(len, logs))),
        pairs=min(map(len, logs)),
    )


def _degrees(shares: Sequence[float], sizes: Sequence[int]) -> int:
    below = math.fsum(share**2 / (n - 1) for share, n in zip(shares, sizes, strict=True))
    if below == 0:
        return min(sizes) - 1
    return max(1, int(math.fsum(shares) ** 2 / below))
