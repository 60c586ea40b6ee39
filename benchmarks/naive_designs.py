"""How people usually compare two engines, on the same virtual machines.

Each design says who runs when, and what is claimed from the trials: 1 where it calls B faster, -1
where it calls B slower, 0 where it claims nothing; one value for each experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t, ttest_1samp, ttest_ind

from benchmarks.noise import TOKENS, Arms, Floats, Trials

Claims = NDArray[np.int64]

ALPHA = 0.05
RULE_OF_THUMB = 0.01
FEWEST_TO_PEEK = 3


@dataclass(frozen=True, slots=True)
class Design:
    """A way to compare: `arms` for so many experiments, and the `claims` from their trials."""

    name: str
    arms: Callable[[np.random.Generator, int], Arms]
    claims: Callable[[Trials, Arms], Claims]


def one_after_the_other(each: int) -> Callable[[np.random.Generator, int], Arms]:
    """All trials of A, then all of B."""
    return lambda _, experiments: np.tile(np.repeat([0, 1], each), (experiments, 1))


def alternating(pairs: int) -> Callable[[np.random.Generator, int], Arms]:
    """A B A B A B …"""
    return lambda _, experiments: np.tile([0, 1], (experiments, pairs))


def coin_tosses(pairs: int) -> Callable[[np.random.Generator, int], Arms]:
    """Pairs, each begun by A or B as a coin falls."""

    def arms(draw: np.random.Generator, experiments: int) -> Arms:
        first = draw.integers(0, 2, (experiments, pairs))
        return np.stack([first, 1 - first], axis=2).reshape(experiments, -1)

    return arms


def rule_of_thumb(trials: Trials, arms: Arms) -> Claims:
    """The means of the rates differ by more than 1 %."""
    a, b = _by_arm(1 / trials.mean, arms)
    ratio = b.mean(axis=1) / a.mean(axis=1)
    return _signs(ratio - 1, np.abs(ratio - 1) > RULE_OF_THUMB)


def welch(trials: Trials, arms: Arms) -> Claims:
    """Welch's t test, trials as independent values."""
    a, b = _by_arm(trials.mean, arms)
    test = ttest_ind(a, b, axis=1, equal_var=False)
    return _signs(test.statistic, test.pvalue < ALPHA)


def welch_on_tokens(trials: Trials, arms: Arms) -> Claims:
    """Welch's test, with every token as an independent value."""
    a, b = _by_arm(trials.mean, arms)
    # The variance of all tokens of an arm: within its trials, and between their means.
    within_a, within_b = _by_arm(trials.variance, arms)
    spread_a = within_a.mean(axis=1) + a.var(axis=1)
    spread_b = within_b.mean(axis=1) + b.var(axis=1)
    error = np.sqrt((spread_a + spread_b) / (a.shape[1] * TOKENS))
    statistic = (a.mean(axis=1) - b.mean(axis=1)) / error
    return _signs(statistic, np.abs(statistic) > t.ppf(1 - ALPHA / 2, 2 * a.shape[1] * TOKENS - 2))


def paired(trials: Trials, arms: Arms) -> Claims:
    """The t test of the pairs' log ratios, in whatever order they ran."""
    test = ttest_1samp(_log_speedups(trials, arms), 0, axis=1)
    return _signs(test.statistic, test.pvalue < ALPHA)


def peeking(trials: Trials, arms: Arms) -> Claims:
    """The same test after each pair from the third on; the first p < 0.05 is the end."""
    speedups = _log_speedups(trials, arms)
    claims = np.zeros(len(arms), dtype=np.int64)
    for pairs in range(FEWEST_TO_PEEK, speedups.shape[1] + 1):
        test = ttest_1samp(speedups[:, :pairs], 0, axis=1)
        now = _signs(test.statistic, test.pvalue < ALPHA)
        claims = np.where(claims == 0, now, claims)
    return claims


def _by_arm(values: Floats, arms: Arms) -> tuple[Floats, Floats]:
    """The trials of A and as many of B, each [experiments, trials]."""
    experiments = len(arms)
    return values[arms == 0].reshape(experiments, -1), values[arms == 1].reshape(experiments, -1)


def _log_speedups(trials: Trials, arms: Arms) -> Floats:
    a, b = _by_arm(np.log(trials.mean), arms)
    return a - b


def _signs(differences: Floats, claimed: NDArray[np.bool_]) -> Claims:
    return np.where(claimed, np.sign(differences), 0).astype(np.int64)


DESIGNS = (
    Design("A then B, 3 trials each, claim if > 1 %", one_after_the_other(3), rule_of_thumb),
    Design("A then B, 10 trials each, Welch", one_after_the_other(10), welch),
    Design("A then B, 20 trials each, Welch", one_after_the_other(20), welch),
    Design("A then B, 3 trials each, each token counted", one_after_the_other(3), welch_on_tokens),
    Design(
        "A then B, 10 trials each, each token counted", one_after_the_other(10), welch_on_tokens
    ),
    Design("strict A B A B, 10 pairs, paired t", alternating(10), paired),
    Design("random pairs, up to 10, peeking after each", coin_tosses(10), peeking),
    Design("random pairs, up to 40, peeking after each", coin_tosses(40), peeking),
)
