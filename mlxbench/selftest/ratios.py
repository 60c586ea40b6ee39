"""Do two rates agree? Rounds are repeated until that is clear, or until there were enough.

What is judged is the mean of the logarithms of their ratio, with a 95 % t interval. An interval
inside the tolerance passes, one wholly outside fails, and one that is too wide for either says
nothing: a busy machine must not fail a check, and must not pass it either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlxbench import stats
from mlxbench.stats import Estimate

FEWEST = 4
LEVEL = 0.95

Round = TypeVar("Round")


@dataclass(frozen=True, slots=True)
class Agreement:
    """The ratio with its interval, and whether it is 1 within the tolerance; None: cannot tell."""

    ratio: Estimate
    agrees: bool | None


def judge(ratios: list[float], tolerance: float) -> Agreement:
    """At least two ratios against 1, to within `tolerance` either way."""
    logs = stats.mean([math.log(ratio) for ratio in ratios], LEVEL)
    assert logs.low is not None
    assert logs.high is not None
    ratio = Estimate(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)
    bound = math.log1p(tolerance)
    if -bound <= logs.low and logs.high <= bound:
        return Agreement(ratio, True)
    return Agreement(ratio, False if logs.low > bound or logs.high < -bound else None)


def settle(
    rounds: Iterator[Round],
    ratios: Sequence[Callable[[Round], float]],
    tolerance: float,
    most: int,
) -> tuple[list[Round], list[Agreement]]:
    """Take rounds until each ratio's answer is clear, `most` at the most."""
    taken = [next(rounds) for _ in range(FEWEST)]
    while True:
        found = [judge([ratio(one) for one in taken], tolerance) for ratio in ratios]
        if len(taken) >= most or all(one.agrees is not None for one in found):
            return taken, found
        taken.append(next(rounds))
