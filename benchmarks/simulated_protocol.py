"""The comparison protocol on virtual machines, decided by the functions that users get.

A scenario is run many times over: randomised ABBA blocks, looks, verdict, for both metrics of the
same trials. What comes back are counts of what was claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from benchmarks.noise import Arms, Floats, Trials, simulate
from mlxbench import stats
from mlxbench.engines.sim.regimes import REGIMES
from mlxbench.stats import Order

Disturbance = Callable[[np.random.Generator, Arms], Floats]
METRICS = ("mean", "median")  # time per output token, and the median gap between arrivals


@dataclass(frozen=True, slots=True)
class Scenario:
    """A machine, a true difference (B's speed is 1 + `faster` times A's) and a plan."""

    name: str
    regime: str
    pairs: int
    faster: float = 0.0
    disturbance: Disturbance | None = None
    orders: Callable[[int, Random], list[Order]] = stats.abba_orders


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the experiments of one scenario and metric came to, as shares of all experiments.

    `claims` are the intervals that exclude 1, `wrong_signs` those of them on the wrong side of the
    truth; `covered` intervals hold the truth.
    """

    experiments: int
    claims: float
    wrong_signs: float
    covered: float
    equivalent: float
    pairs_mean: float
    seconds_mean: float
    seconds_longest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One experiment as it ended: after how many pairs, and with which verdict."""

    pairs: int
    verdict: stats.Verdict


def run(scenario: Scenario, experiments: int, seed: int) -> dict[str, Outcome]:
    """Run `scenario` so many times; the same `seed` gives the same outcomes."""
    what = (seed, scenario.name, scenario.regime, scenario.pairs, scenario.faster)
    key = Random(" ".join(map(str, what)))
    orders = [scenario.orders(scenario.pairs, key) for _ in range(experiments)]
    draw = np.random.default_rng(key.getrandbits(64))
    arms = arms_of(orders)
    shifts = -np.log1p(scenario.faster) * arms
    if scenario.disturbance:
        shifts = shifts + scenario.disturbance(draw, arms)
    trials = simulate(draw, REGIMES[scenario.regime], shifts)
    return {
        metric: _outcome(trials, list(map(compare, paces.tolist(), orders)), scenario.faster)
        for metric, paces in zip(METRICS, (trials.mean, trials.median), strict=True)
    }


def compare(paces: Sequence[float], orders: Sequence[Order]) -> Comparison:
    """Look at the trials so far whenever a look is due, until one says stop."""
    speedups = stats.log_speedups(*split(paces, orders))
    planned = len(orders)
    for done in [*stats.early_looks(planned), planned]:
        effect = stats.pair_effect(speedups[:done], orders[:done])
        look = stats.look(effect, done, planned)
        if look.stop and effect is not None:
            return Comparison(done, stats.verdict(effect, look))
    raise AssertionError("the last look always stops")


def arms_of(orders: Sequence[Sequence[Order]]) -> Arms:
    """0 for each trial of A and 1 for each of B: [experiments, 2 * pairs]."""
    second: Arms = np.array([[order == "AB" for order in row] for row in orders], dtype=np.int64)
    return np.stack([1 - second, second], axis=2).reshape(len(orders), -1)


def split(values: Sequence[float], orders: Sequence[Order]) -> tuple[list[float], list[float]]:
    """The values of A and those of B, by pairs, from those of the trials in sequence."""
    pairs = list(zip(values[::2], values[1::2], orders, strict=True))
    a = [first if order == "AB" else second for first, second, order in pairs]
    b = [second if order == "AB" else first for first, second, order in pairs]
    return a, b


def _outcome(trials: Trials, ended: Sequence[Comparison], faster: float) -> Outcome:
    truth = 1 + faster
    lows = np.array([comparison.verdict.speed_ratio.low for comparison in ended])
    highs = np.array([comparison.verdict.speed_ratio.high for comparison in ended])
    pairs = np.array([comparison.pairs for comparison in ended])
    words = np.array([comparison.verdict.word for comparison in ended])
    elapsed = trials.seconds.cumsum(axis=1)[np.arange(len(ended)), 2 * pairs - 1]
    wrong = words == "slower" if faster > 0 else np.zeros(len(words), bool)
    return Outcome(
        experiments=len(ended),
        claims=share((words == "faster") | (words == "slower")),
        wrong_signs=share(wrong),
        covered=share((lows <= truth) & (truth <= highs)),
        equivalent=share(words == "equivalent"),
        pairs_mean=round(float(pairs.mean()), 2),
        seconds_mean=round(float(elapsed.mean()), 1),
        seconds_longest=round(float(elapsed.max()), 1),
    )


def share(hits: NDArray[np.bool_]) -> float:
    """The share of true ones."""
    return round(float(np.mean(hits)), 4)
