"""When a comparison may stop: looks that are planned before the first trial.

Who tests after each pair and stops at the first p < 0.05 is wrong one time in four. Haybittle and
Peto's rule spends almost nothing on the way: an early look stops only at p < 0.001, so the last one
keeps nearly the whole 5 % (Peto et al., Br. J. Cancer 34 (1976) 585-612).

Looks come after 4 pairs and then each after about half as many pairs again: 4, 6, 8, 12, 18, … A
rejection at an early look would mostly have been one at the end as well; by simulation, about half
of each look's 0.001 is truly added. The last look gives just that back: 5 % less 0.0005 for each
early one, which is the textbook's 0.049 with two looks, and keeps the total at 5 % with any number.

What stopped early was picked for looking large, the more so the later it stopped, and a 95 %
interval would cover too rarely (92 %), the one of the test itself too often. Reported is 96 % for a
stop within the first ten pairs and 97 % for a later one: by simulation, that covers 93-97 %
whatever the true effect, and it is quoted as 95 %.

"Equivalent" is never declared early: that test is made once, at the last look.

The plan is fixed beforehand. A comparison that ends sooner for a reason that has nothing to do with
its result (time ran out, Ctrl-C) looks for the last time there: `planned` is then what was done.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlxbench.stats.blocks import PAIRS_PER_BLOCK
from mlxbench.stats.paired import Effect

ALPHA = 0.05
EARLY_ALPHA = 0.001
COST_OF_A_LOOK = EARLY_ALPHA / 2
FIRST_LOOK = 4
STOPPED_SOON = 10
STOPPED_SOON_LEVEL = 0.96
STOPPED_LATER_LEVEL = 0.97


@dataclass(frozen=True, slots=True)
class Look:
    """What a look decided, and the confidence level of the interval that goes with it.

    While there is no reason to stop, that is the level of the early test: an interval shown on the
    way holds at all looks together.
    """

    stop: bool
    final: bool
    level: float


# For what is looked at once, such as sessions.
ONLY_LOOK = Look(stop=True, final=True, level=1 - ALPHA)


def early_looks(planned: int) -> list[int]:
    """After how many pairs to look before the last look at `planned` pairs; all at block ends."""
    looks = []
    at = FIRST_LOOK
    while at < planned:
        looks.append(at)
        at += max(1, at // 2 // PAIRS_PER_BLOCK) * PAIRS_PER_BLOCK
    return looks


def look(effect: Effect | None, done: int, planned: int) -> Look:
    """Whether to stop after `done` of `planned` pairs, failed ones counted; call it after any."""
    early = early_looks(planned)
    if done >= planned:
        return Look(stop=True, final=True, level=1 - ALPHA + COST_OF_A_LOOK * len(early))
    stop = done in early and effect is not None and effect.log_speedup.p < EARLY_ALPHA
    if not stop:
        return Look(stop=False, final=False, level=1 - EARLY_ALPHA)
    level = STOPPED_SOON_LEVEL if done < STOPPED_SOON else STOPPED_LATER_LEVEL
    return Look(stop=True, final=False, level=level)
