"""What the trials of a comparison say against it: order, drift, outliers, failures."""

from __future__ import annotations

from collections.abc import Sequence

from mlxbench import stats
from mlxbench.measure.findings import Finding, TrialsOf
from mlxbench.measure.pairs import seconds
from mlxbench.records import Comparison, Failed, Notice


def alarms(
    comparison: Comparison, made: Sequence[Finding], trials_of: TrialsOf
) -> tuple[Notice, ...]:
    """One notice for each doubt, in a fixed order."""
    found = [_order(made), _drift(comparison, trials_of)]
    found += [_outliers(comparison, trials_of), _failures(comparison, trials_of)]
    return tuple(notice for notice in found if notice is not None)


def _order(made: Sequence[Finding]) -> Notice | None:
    if not any(finding.effect and finding.effect.order_matters for finding in made):
        return None
    return Notice(
        "order-effect",
        "whichever arm ran second in a pair was faster or slower than chance would make it",
        "let the machine settle between trials, or see whether it heats up",
    )


def _drift(comparison: Comparison, trials_of: TrialsOf) -> Notice | None:
    for paces in _paces(comparison, trials_of):
        trend = stats.trend(range(len(paces)), paces)
        if trend and trend.alarming:
            return Notice(
                "drift",
                f"an arm's time changed by {trend.change:+.1%} from its first to its last trial "
                f"(95 %: {trend.low:+.1%} to {trend.high:+.1%}; {trend.n} trials)",
                "the pairs allow for it, but single rates do not: cool down and measure again",
            )
    return None


def _outliers(comparison: Comparison, trials_of: TrialsOf) -> Notice | None:
    count = sum(len(stats.outliers(paces)) for paces in _paces(comparison, trials_of))
    if not count:
        return None
    return Notice(
        "outliers",
        f"some trials lie far from the rest ({count}); they are kept",
        "look for other work on this machine, and measure again",
    )


def _failures(comparison: Comparison, trials_of: TrialsOf) -> Notice | None:
    failed = [
        trial
        for session in comparison.sessions
        for run_id in session.run_ids
        for trial in trials_of(run_id)
        if isinstance(trial, Failed)
    ]
    if not failed:
        return None
    return Notice(
        "failed-trials",
        f"some trials failed ({len(failed)}), the latest because {failed[-1].message}; "
        "their rounds are left out",
        "see all of them with `mlxbench results show`",
    )


def _paces(comparison: Comparison, trials_of: TrialsOf) -> list[list[float]]:
    """What is compared, arm by arm and session by session."""
    return [
        [value for trial in trials_of(run_id) if (value := seconds(trial, comparison.metric))]
        for session in comparison.sessions
        for run_id in session.run_ids
    ]
