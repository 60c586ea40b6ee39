"""How often does a comparison err? Run as `python -m benchmarks.comparison_power`.

Thousands of comparisons on virtual machines, where the truth is known: how many claims are false
when the arms are the same, how many true differences are found, how many intervals hold the truth;
beside them, what the usual designs come to on the same machines. The verdicts are those of
`mlxbench.stats`, metric "mean" is the time per output token and "median" the median gap between
arrivals, and all shares are of experiments.

The record holds every goal with the worst value measured for it; the exit status is 1 if one is
missed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import scipy

from benchmarks import disturbances
from benchmarks.conditions import conditions
from benchmarks.naive_designs import DESIGNS, Design, alternating, paired
from benchmarks.noise import ITL_S, TOKENS, TRIAL_S, simulate
from benchmarks.simulated_protocol import Outcome, Scenario, arms_of, run, share, split
from mlxbench import stats
from mlxbench.engines.sim.regimes import REGIMES
from mlxbench.stats import Effect, Order

MINUTE = 10  # pairs of two trials of 3 s
SHORT = 6  # 36 s
LONG = 60
SESSIONS = 8
SESSION_PAIRS = 4
TRUE_DIFFERENCE = 0.02


def independent_blocks(pairs: int, draw: Random) -> list[Order]:
    """ABBA blocks, each of a kind that is drawn by itself, as an alternative to `abba_orders`."""
    orders: list[Order] = []
    while len(orders) < pairs:
        orders += draw.choice((("AB", "BA"), ("BA", "AB")))
    return orders[:pairs]


NULLS = [
    *(Scenario("same arms", regime, MINUTE) for regime in REGIMES),
    Scenario("same arms, 36 s", "quiet", SHORT),
    Scenario("same arms, 6 min", "hostile", LONG),
]
POWER_TYPICAL = Scenario("2 % in 60 s", "typical", MINUTE, faster=0.02)
POWER_QUIET = Scenario("1 % in 36 s", "quiet", SHORT, faster=0.01)
DIFFERENCES = [
    POWER_TYPICAL,
    POWER_QUIET,
    *(
        Scenario(f"{100 * faster:g} % in 60 s", regime, MINUTE, faster)
        for regime in REGIMES
        for faster in (0.01, 0.02, 0.05, 0.10)
        if (regime, faster) != (POWER_TYPICAL.regime, POWER_TYPICAL.faster)
    ),
    # Where intervals cover least, of all that was tried.
    Scenario("2.5 % in 36 s", "quiet", SHORT, faster=0.025),
    Scenario("1.2 % in 2 min", "typical", 2 * MINUTE, faster=0.012),
    Scenario("1.5 % in 6 min", "hostile", LONG, faster=0.015),
]
MARGIN = [one for one in DIFFERENCES if one.faster == stats.PRACTICAL_DIFFERENCE]
STRESSES = [
    Scenario(happening.__name__, regime, MINUTE, disturbance=happening)
    for happening in (disturbances.throttling, disturbances.step_shock, disturbances.carry_over)
    for regime in REGIMES
]
# What the sequence of blocks trades against each other; no goals.
SEQUENCES = [
    Scenario(
        f"{happening.__name__}, {sequence.__name__}",
        regime,
        pairs,
        disturbance=happening,
        orders=sequence,
    )
    for regime in ("quiet", "typical")
    for pairs in (MINUTE, 3 * MINUTE)
    for happening in (
        disturbances.carry_over,
        disturbances.resonance,
        disturbances.any_period,
    )
    for sequence in (stats.abba_orders, independent_blocks)
]


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario and metric with its outcome."""

    scenario: Scenario
    metric: str
    outcome: Outcome

    def document(self) -> dict[str, Any]:
        scenario = self.scenario
        head = {"scenario": scenario.name, "regime": scenario.regime, "metric": self.metric}
        plan = {"planned_pairs": scenario.pairs, "faster": scenario.faster}
        return head | plan | asdict(self.outcome)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bar, and what it is held against: a value of each of some rows."""

    name: str
    scenarios: Sequence[Scenario]
    value: Callable[[Outcome], float]
    at_least: float = 0.0
    at_most: float = 1.0

    def document(self, rows: Sequence[Row]) -> dict[str, Any]:
        values = [self.value(row.outcome) for row in rows if row.scenario in self.scenarios]
        lowest, highest = min(values), max(values)
        bars = {"at_least": self.at_least, "at_most": self.at_most}
        met = self.at_least <= lowest and highest <= self.at_most
        return {"goal": self.name} | bars | {"lowest": lowest, "highest": highest, "met": met}


def claims(outcome: Outcome) -> float:
    return outcome.claims


def covered(outcome: Outcome) -> float:
    return outcome.covered


def equivalent(outcome: Outcome) -> float:
    return outcome.equivalent


GOALS = (
    # 5 % as 2,000 experiments can tell: at most 120 of them.
    Goal("false claims about equal arms", NULLS, claims, at_most=120 / 2000),
    Goal("2 % found within 60 s, typical", [POWER_TYPICAL], claims, at_least=0.80),
    Goal("1 % found within 36 s, quiet", [POWER_QUIET], claims, at_least=0.75),
    Goal("intervals that hold the truth", [*NULLS, *DIFFERENCES], covered, 0.93, 0.97),
    Goal("arms 1 % apart called equivalent", MARGIN, equivalent, at_most=120 / 2000),
    Goal("false claims under ramp, carry-over and step shocks", STRESSES, claims, at_most=0.07),
)


def protocol(experiments: int, seed: int) -> list[Row]:
    """Every scenario, for both metrics."""
    return [
        Row(scenario, metric, outcome)
        for scenario in [*NULLS, *DIFFERENCES, *STRESSES, *SEQUENCES]
        for metric, outcome in run(scenario, experiments, seed).items()
    ]


def naive(experiments: int, seed: int) -> list[dict[str, Any]]:
    """The usual designs in the typical and the hostile regime, and A B A B under throttling."""
    rows = [
        naive_design(design, regime, experiments, seed)
        for design in DESIGNS
        for regime in ("typical", "hostile")
    ]
    ramp = Design("strict A B A B, 10 pairs, paired t, throttling", alternating(MINUTE), paired)
    rows += [
        naive_design(ramp, regime, experiments, seed, disturbances.throttling)
        for regime in ("quiet", "typical")
    ]
    return rows


def naive_design(
    design: Design,
    regime: str,
    experiments: int,
    seed: int,
    disturbance: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Its false claims about equal arms, and what it claims where B is 2 % faster."""
    draw = np.random.default_rng([seed, *design.name.encode(), *regime.encode()])
    shares = {}
    for faster in (0.0, TRUE_DIFFERENCE):
        arms = design.arms(draw, experiments)
        shifts = -np.log1p(faster) * arms
        if disturbance:
            shifts = shifts + disturbance(draw, arms)
        claimed = design.claims(simulate(draw, REGIMES[regime], shifts), arms)
        shares[faster] = [share(claimed == 1), share(claimed == -1)]
    return {
        "design": design.name,
        "regime": regime,
        "seconds": arms.shape[1] * TRIAL_S,
        "false_claims": round(sum(shares[0.0]), 4),
        "found_2_percent": shares[TRUE_DIFFERENCE][0],
        "wrong_signs_at_2_percent": shares[TRUE_DIFFERENCE][1],
    }


def loads(experiments: int, seed: int) -> list[dict[str, Any]]:
    """Arms of which each load has its own pace: one session of 32 pairs against 8 of 4."""
    return [
        {"sessions": sessions, "pairs": pairs, "faster": faster, "claims": found}
        for sessions, pairs in ((1, SESSIONS * SESSION_PAIRS), (SESSIONS, SESSION_PAIRS))
        for faster in (0.0, TRUE_DIFFERENCE)
        for found in [claims_over_sessions(sessions, pairs, faster, experiments, seed)]
    ]


def claims_over_sessions(
    sessions: int, pairs: int, faster: float, experiments: int, seed: int
) -> float:
    """How often a difference is claimed on typical machines, each session on a fresh one."""
    key = Random(f"{seed} {sessions} {pairs} {faster}")
    orders = [stats.abba_orders(pairs, key) for _ in range(experiments * sessions)]
    draw = np.random.default_rng(key.getrandbits(64))
    arms = arms_of(orders)
    shifts = disturbances.load_luck(draw, arms) - np.log1p(faster) * arms
    paces = simulate(draw, REGIMES["typical"], shifts).mean.tolist()
    effects = [
        stats.pair_effect(stats.log_speedups(*split(row, order)), order)
        for row, order in zip(paces, orders, strict=True)
    ]
    together = [
        stats.session_effect([one for one in effects[at : at + sessions] if one])
        for at in range(0, len(effects), sessions)
    ]
    return share(np.array([claims_difference(effect) for effect in together]))


def claims_difference(effect: Effect | None) -> bool:
    """Whether one look at `effect` calls the arms different."""
    return effect is not None and stats.verdict(effect, stats.ONLY_LOOK).word in (
        "faster",
        "slower",
    )


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, help="of each scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(None if arguments is None else list(arguments))
    began = time.monotonic()
    rows = protocol(options.experiments, options.seed)
    document = {
        "experiments": options.experiments,
        "seed": options.seed,
        "trial": {"tokens": TOKENS, "itl_s": ITL_S, "seconds": TRIAL_S},
        "goals": [goal.document(rows) for goal in GOALS],
        "protocol": [row.document() for row in rows],
        "naive": naive(options.experiments, options.seed),
        "loads": loads(options.experiments, options.seed),
        "conditions": conditions(),
        "libraries": {"numpy": np.__version__, "scipy": scipy.__version__},
    }
    document["seconds"] = round(time.monotonic() - began)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    print(json.dumps(document["goals"], indent=1))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n")
    return 0 if all(goal["met"] for goal in document["goals"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
