"""Rules that turn intervals into words, the same for every claim. Pure.

A claim of a gain ("4–5×") is held to its lower figure: supported if the whole interval lies at or
above it, not supported if it lies below, else inconclusive. A claim of no change needs equivalence
within 1 %; "no difference shown" is not enough. What only bounds a gain from above can refute a
claim and never support it.

Whether replies got better is a matter of shares, and of few replies: there the words are about the
difference between two shares, with Newcombe's interval; where the best of several is picked, at
Bonferroni's level, so that one lucky arm among many is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlxbench import stats
from mlxbench.claims.claim import Finding, Judgement, Passes, Speed
from mlxbench.stats import PRACTICAL_DIFFERENCE, Estimate

MOSTLY = 0.5
NEAR = 0.9


def at_least(found: Estimate, claimed: float) -> Finding:
    """Whether a figure reaches what was claimed."""
    if found.low is not None and found.low >= claimed:
        return "supported"
    if found.high is not None and found.high < claimed:
        return "not supported"
    return "inconclusive"


def bounded(bound: Estimate, claimed: float) -> Finding:
    """The same for an upper bound, which cannot show that anything reaches it."""
    return "not supported" if at_least(bound, claimed) == "not supported" else "inconclusive"


def unchanged(speed: Speed) -> Finding:
    """Whether two arms are equally fast within 1 %."""
    low, high = speed.ratio.low, speed.ratio.high
    if low is None or high is None:
        return "inconclusive"
    within = math.log(low) > -_MARGIN and math.log(high) < _MARGIN
    if speed.word == "equivalent" or within:
        return "supported"
    apart = math.log(low) > _MARGIN or math.log(high) < -_MARGIN
    return "not supported" if apart else "inconclusive"


_MARGIN = math.log1p(PRACTICAL_DIFFERENCE)


def inverse(ratio: Estimate) -> Estimate:
    """The first arm's speed over the other's, from the other's over the first's."""
    low = 1 / ratio.high if ratio.high else None
    high = 1 / ratio.low if ratio.low else None
    return Estimate(1 / ratio.value, low, high, ratio.n)


def times(ratio: Estimate) -> str:
    """`×4.1 (3.9–4.3)`; near 1, where a hundredth counts, `×1.003 (0.998–1.008)`."""
    if ratio.low is None or ratio.high is None:
        return f"×{ratio.value:.3g}"
    near = min(ratio.low, 1 / ratio.high) > NEAR
    value, low, high = (
        f"{each:.3f}" if near else f"{each:.3g}" for each in (ratio.value, ratio.low, ratio.high)
    )
    return f"×{value} ({low}–{high})"


def better_replies(as_it_is: Passes, others: Mapping[str, Passes], what: str) -> Judgement:
    """Whether `what`, which the `others` have less of, is why the model as it is fails.

    It is if one of the others passes more; it is not if all of them still mostly fail, or if the
    model mostly passes as it is.
    """
    level = 1 - stats.ALPHA / len(others)
    changes = {
        name: stats.difference(one.passes, one.n, as_it_is.passes, as_it_is.n, level)
        for name, one in others.items()
    }
    best = max(changes, key=lambda name: changes[name].value)
    change, other = changes[best], others[best]
    shown = f"{as_it_is.passes}/{as_it_is.n} pass as it is, {other.passes}/{other.n} with {best}"
    word: Finding = "inconclusive"
    said = "too few replies to tell"
    if share(as_it_is).low > MOSTLY:
        word, said = "not supported", f"it mostly passes, so {what} explains no failure"
    elif change.low is not None and change.low > 0:
        word, said = "supported", f"with {best} more replies pass"
    elif all(share(one).high < MOSTLY for one in others.values()):
        word, said = "not supported", f"it mostly fails with less of {what} as well"
    return Judgement(word, change, f"share of passes, {best} less as it is", f"{shown}: {said}.")


@dataclass(frozen=True, slots=True)
class Share:
    """A share of passes with its Wilson interval."""

    value: float
    low: float
    high: float


def share(one: Passes) -> Share:
    """The share of passes among n ≥ 1 replies."""
    found = stats.wilson(one.passes, one.n)
    assert found.low is not None
    assert found.high is not None
    return Share(found.value, found.low, found.high)
