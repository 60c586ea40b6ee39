"""From an effect to a word about arm B, seen from arm A.

- `faster`, `slower`: the interval of the speed ratio excludes 1. `slight` says that the effect is
  below 1 %, too small to matter to most.
- `equivalent`: the 90 % interval lies within ± 1 %, which is two one-sided tests at 5 %
  (Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657-680). Only at a last look.
- `inconclusive`: neither. "No difference shown" is not "equal"; `detectable` says what difference
  would have been found.

± 1 % is meant in logarithms, from 1/1.01 to 1.01, so that swapping the arms swaps the words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlxbench.stats.estimates import Estimate
from mlxbench.stats.looks import Look
from mlxbench.stats.paired import Effect

Word = Literal["faster", "slower", "equivalent", "inconclusive"]

PRACTICAL_DIFFERENCE = 0.01
EQUIVALENCE_LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said of arm B; `speed_ratio` is B's speed over A's."""

    word: Word
    speed_ratio: Estimate
    slight: bool
    detectable: float


def verdict(effect: Effect, look: Look) -> Verdict:
    """The verdict of a comparison that stopped at `look`."""
    ratio = effect.speed_ratio(look.level)
    slight = abs(effect.log_speedup.value) < math.log1p(PRACTICAL_DIFFERENCE)
    return Verdict(_word(effect, look), ratio, slight, effect.detectable)


def _word(effect: Effect, look: Look) -> Word:
    low, high = effect.log_speedup.within(look.level)
    if low > 0:
        return "faster"
    if high < 0:
        return "slower"
    low, high = effect.log_speedup.within(EQUIVALENCE_LEVEL)
    margin = math.log1p(PRACTICAL_DIFFERENCE)
    return "equivalent" if look.final and -margin < low and high < margin else "inconclusive"
