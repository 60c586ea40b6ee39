"""The effect of one arm against another, from trials measured in pairs.

Two trials next to each other share the machine's mood, so their ratio cancels it. Whoever goes
second meets a machine that has drifted on, so the pairs that began with A and those that began with
B are averaged apart, and the drift within a pair cancels too.

**The one convention.** A *log speed-up* is ln(A's seconds / B's seconds) of the same quantity, per
token or to the first token. Positive: **B is faster**. Its `exp` is the *speed ratio*, B's speed
over A's. Seconds enter through `log_speedups` alone and everything after it speaks of speed, so no
sign is ever turned. (Papers on latencies use the ratio of times, ln(B's / A's): the negative.)

The trap: the pairs of one load share that load's own luck, which no number of pairs averages out (a
luck of 0.3 % makes one claim in four false). With two sessions or more, the sessions are the
sample, and pairs only make each of them precise: see `session_effect`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from mlxbench.stats.blocks import PAIRS_PER_BLOCK, Order
from mlxbench.stats.estimates import Estimate
from mlxbench.stats.student import LOG_DIGITS, t_quantile, t_ratio, two_sided_p

FEWEST_PAIRS = 3
ORDER_ALARM = 0.01
TEST_LEVEL = 0.95
POWER = 0.80
MANY_PAIRS = 1 << 40


@dataclass(frozen=True, slots=True)
class Contrast:
    """A mean of logarithms with its standard error."""

    value: float
    standard_error: float
    degrees_of_freedom: int

    @property
    def p(self) -> float:
        """The two-sided p-value of its being 0, in a test that is made once."""
        return two_sided_p(t_ratio(self.value, self.standard_error), self.degrees_of_freedom)

    def within(self, level: float) -> tuple[float, float]:
        """Its t interval."""
        reach = t_quantile(level, self.degrees_of_freedom) * self.standard_error
        return self.value - reach, self.value + reach


@dataclass(frozen=True, slots=True)
class Effect:
    """How much faster B is than A, with everything that a verdict needs.

    `order` is the log speed-up of whichever arm goes second. `spread` is the standard deviation of
    the log speed-ups: of pairs, or of whole sessions where there are several.
    """

    log_speedup: Contrast
    order: Contrast
    spread: float
    pairs: int
    sessions: int = 1

    def speed_ratio(self, level: float) -> Estimate:
        """B's speed over A's with its interval, 1.02 if B is 2 % faster; n counts pairs."""
        low, high = self.log_speedup.within(level)
        return Estimate(math.exp(self.log_speedup.value), math.exp(low), math.exp(high), self.pairs)

    @property
    def order_matters(self) -> bool:
        """Whether going second changes the pace by more than chance would: a warning."""
        return self.order.p < ORDER_ALARM

    @property
    def detectable(self) -> float:
        """The difference that a comparison like this one finds four times in five (MDE80).

        0.01 is 1 %. It is (t_0.975 + t_0.80) standard errors, as of Bloom, "Minimum detectable
        effects", Evaluation Review 19 (1995) 547-556.
        """
        errors = _detectable_errors(self.log_speedup.degrees_of_freedom)
        return math.expm1(errors * self.log_speedup.standard_error)


def log_speedups(a_seconds: Sequence[float], b_seconds: Sequence[float]) -> list[float]:
    """ln(A's seconds / B's seconds) of each pair: positive where B was faster.

    Rounded to parts in a billion, so that rounding errors alone are never a difference.
    """
    return [round(math.log(a / b), LOG_DIGITS) for a, b in zip(a_seconds, b_seconds, strict=True)]


def pair_effect(speedups: Sequence[float], orders: Sequence[Order]) -> Effect | None:
    """The order-adjusted effect over the pairs of one session.

    With d̄ the mean log speed-up of the pairs of one order: effect ½(d̄_AB + d̄_BA), order effect
    ½(d̄_AB - d̄_BA), both with the standard error ½s√(1/n_AB + 1/n_BA), s pooled within the orders,
    on n - 2 degrees of freedom: the two-period cross-over of Hills and Armitage, Br. J. Clin.
    Pharmacol. 8 (1979) 7-20. `None` unless there are three pairs and both orders.
    """
    began_a = [d for d, order in zip(speedups, orders, strict=True) if order == "AB"]
    began_b = [d for d, order in zip(speedups, orders, strict=True) if order == "BA"]
    pairs = len(speedups)
    if pairs < FEWEST_PAIRS or not began_a or not began_b:
        return None
    mean_a, mean_b = math.fsum(began_a) / len(began_a), math.fsum(began_b) / len(began_b)
    squares = [(d - mean_a) ** 2 for d in began_a] + [(d - mean_b) ** 2 for d in began_b]
    spread = math.sqrt(math.fsum(squares) / (pairs - 2))
    error = spread / 2 * math.sqrt(1 / len(began_a) + 1 / len(began_b))
    return Effect(
        log_speedup=Contrast((mean_a + mean_b) / 2, error, pairs - 2),
        order=Contrast((mean_a - mean_b) / 2, error, pairs - 2),
        spread=spread,
        pairs=pairs,
    )


def session_effect(sessions: Sequence[Effect]) -> Effect | None:
    """The effect over sessions, each one value: mean ± t_(K-1)·s/√K. A single one stays as it is.

    Sessions count alike however many pairs they hold, because what differs between loads does not
    shrink with pairs. `None` without any session.
    """
    if len(sessions) < 2:
        return sessions[0] if sessions else None
    log_speedup, spread = _mean_of([session.log_speedup.value for session in sessions])
    order, _ = _mean_of([session.order.value for session in sessions])
    pairs = sum(session.pairs for session in sessions)
    return Effect(log_speedup, order, spread, pairs, len(sessions))


def pairs_to_detect(spread: float, difference: float) -> int:
    """How many pairs, in whole blocks, make `difference` (0.01 is 1 %) detectable.

    `spread` is that of a pilot's pairs; the fewer those were, the rougher the answer.
    """
    wanted = math.log1p(difference)

    def enough(pairs: int) -> bool:
        return _detectable_errors(pairs - 2) * spread / math.sqrt(pairs) <= wanted

    fewest = bisect_left(range(MANY_PAIRS), True, lo=2 * PAIRS_PER_BLOCK, key=enough)
    return fewest + fewest % PAIRS_PER_BLOCK


def _mean_of(values: Sequence[float]) -> tuple[Contrast, float]:
    """The mean of independent values, and their standard deviation."""
    count = len(values)
    centre = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (count - 1))
    return Contrast(centre, spread / math.sqrt(count), count - 1), spread


def _detectable_errors(degrees_of_freedom: int) -> float:
    """How many standard errors an effect must have to be found with `POWER` at `TEST_LEVEL`."""
    # Twice as far into one tail as a two-sided quantile goes into each.
    power = t_quantile(2 * POWER - 1, degrees_of_freedom)
    return t_quantile(TEST_LEVEL, degrees_of_freedom) + power
