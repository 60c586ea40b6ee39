"""What a comparison found, derived from its stored trials: the same on every reading.

Nothing here looks at a clock or a machine. A comparison of two arms may have stopped at an early
look; one of several arms never does, and its p-values are adjusted after Holm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from mlxbench import stats
from mlxbench.measure.pairs import effect, seconds
from mlxbench.records import ComparedSession, Comparison, Completed, Metric, Trial
from mlxbench.stats import ONLY_LOOK, Effect, Look, Order, Verdict
from mlxbench.store import Store

TrialsOf = Callable[[str], Sequence[Trial]]
CLAIM_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about arm number `arm`, seen from the first arm; `None` if too little."""

    arm: int
    effect: Effect | None
    verdict: Verdict | None
    adjusted_p: float | None = None


def measured_trials(store: Store) -> TrialsOf:
    """The measured trials of a run, failed ones included, from the store."""

    @cache
    def trials(run_id: str) -> Sequence[Trial]:
        records = store.run(run_id).trials
        return [record.trial for record in records if record.phase == "measured"]

    return trials


def findings(comparison: Comparison, trials_of: TrialsOf) -> list[Finding]:
    """One finding for each arm after the first, the null arm among them."""
    effects = [
        _effect(comparison, comparison.sessions, arm, trials_of)
        for arm in range(1, len(comparison.arms))
    ]
    real = len(comparison.arms) - comparison.null
    made = [
        _finding(arm, found, _look(comparison, found) if real == 2 else ONLY_LOOK)
        for arm, found in enumerate(effects, start=1)
    ]
    return _adjusted(made, real) if real > 2 else made


def confirmed_finding(comparison: Comparison, trials_of: TrialsOf) -> Finding | None:
    """What the winner's fresh pairs say, if there were any: the effect to publish."""
    session = comparison.confirmation
    if session is None or comparison.confirmed_arm is None or session.failure is not None:
        return None
    runs = [trials_of(run_id) for run_id in session.run_ids]
    found = effect(comparison.metric, runs[0], runs[1], session.rounds, (0, 1))
    return _finding(comparison.confirmed_arm, found, ONLY_LOOK)


def winner(made: Sequence[Finding]) -> int | None:
    """The fastest of the arms that are faster than the first; `None` if none is."""
    faster = [f for f in made if f.verdict is not None and f.verdict.word == "faster"]
    best = max(faster, key=lambda f: f.verdict.speed_ratio.value if f.verdict else 0, default=None)
    return best.arm if best else None


def _finding(arm: int, found: Effect | None, at: Look) -> Finding:
    return Finding(arm, found, stats.verdict(found, at) if found else None)


def _adjusted(made: Sequence[Finding], real: int) -> list[Finding]:
    """With several arms a claim has to survive Holm's adjustment; the null arm is not a claim."""
    claims = [f for f in made if f.arm < real and f.effect is not None and f.verdict is not None]
    adjusted = stats.holm([f.effect.log_speedup.p for f in claims if f.effect])
    p_of = {f.arm: p for f, p in zip(claims, adjusted, strict=True)}
    return [replace(_weakened(f, p_of.get(f.arm)), adjusted_p=p_of.get(f.arm)) for f in made]


def _weakened(finding: Finding, p: float | None) -> Finding:
    verdict = finding.verdict
    if verdict is None or p is None or p < CLAIM_LEVEL or verdict.word == "equivalent":
        return finding
    return replace(finding, verdict=replace(verdict, word="inconclusive"))


def _look(comparison: Comparison, found: Effect | None) -> Look:
    """The look at which a comparison of two arms ended."""
    usable = [session for session in comparison.sessions if session.failure is None]
    if len(comparison.sessions) != 1 or not usable:
        return ONLY_LOOK
    done, planned = len(usable[0].rounds), usable[0].planned
    at = stats.look(found, done, planned)
    return at if at.stop else stats.look(found, done, done)


def _effect(
    comparison: Comparison, sessions: Sequence[ComparedSession], arm: int, trials_of: TrialsOf
) -> Effect | None:
    usable = [session for session in sessions if session.failure is None]
    if comparison.alternating:
        return _between_sessions(comparison.metric, usable, arm, trials_of)
    effects = [
        effect(
            comparison.metric,
            trials_of(session.run_ids[0]),
            trials_of(session.run_ids[arm]),
            session.rounds,
            (0, arm),
        )
        for session in usable
    ]
    return stats.session_effect([found for found in effects if found is not None])


def _between_sessions(
    metric: Metric, sessions: Sequence[ComparedSession], arm: int, trials_of: TrialsOf
) -> Effect | None:
    """Arms that were never loaded together: each session is one pair of mean paces."""
    speedups: list[float] = []
    orders: list[Order] = []
    for session in sessions:
        a_s = _typical(trials_of(session.run_ids[0]), metric)
        b_s = _typical(trials_of(session.run_ids[arm]), metric)
        if a_s is None or b_s is None or not session.rounds:
            continue
        order = session.rounds[0]
        speedups += stats.log_speedups([a_s], [b_s])
        orders.append("AB" if order.index(0) < order.index(arm) else "BA")
    return stats.pair_effect(speedups, orders)


def _typical(trials: Sequence[Trial], metric: Metric) -> float | None:
    """The geometric mean of what is compared."""
    values = [seconds(trial, metric) for trial in trials if isinstance(trial, Completed)]
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None
