"""A probe's result as JSON: the shape that scripts rely on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlxbench.records import Probe
from mlxbench.report.document import estimate
from mlxbench.report.probes import ProbeResult, gap, paired
from mlxbench.report.summary import Summary
from mlxbench.stats import Estimate, wilson


def document(result: ProbeResult, rate: Summary | None) -> dict[str, Any]:
    """One probe with the decode rate of the same weights."""
    run, probe = result.run, result.run.arm.task
    assert isinstance(probe, Probe)
    n = len(result.replies)
    return {
        "model": run.arm.target.model,
        "engine": run.arm.target.engine,
        "synthetic": run.arm.target.synthetic,
        "suite": result.suite,
        "samples": n,
        "passes": result.passes,
        "wilson": _ends(result.share),
        "wilson_complete": _ends(result.share_of_complete),
        "truncated": result.truncated,
        "grades": result.counts,
        "grade_intervals": {
            name: _ends(wilson(count, n)) if n else None for name, count in result.counts.items()
        },
        "false_positives": result.false_positives,
        "verdict": result.verdict,
        "seed_verdict": result.seed_verdict,
        "tokens_to_pass": result.tokens_to_pass,
        "seconds_to_pass": result.seconds_to_pass,
        "decode_tps": estimate(rate.decode_tps) if rate else None,
        "missing": result.missing,
        "token_budget": probe.token_budget,
        "thinking": probe.thinking,
        "sampler": asdict(probe.sampler),
        "routing": asdict(run.arm.options.routing) if run.arm.options.routing else None,
        "status": run.status,
        "run_id": run.run_id,
    }


def comparisons(results: Sequence[ProbeResult]) -> dict[str, Any]:
    """What several probes of one command say together; empty where there is nothing to compare."""
    gaps = [_gap(fomo, heldout) for fomo, heldout in pairs_for_gap(results)]
    tests = [
        {"first": a.run.run_id, "second": b.run.run_id, **asdict(found)}
        for a, b in pairs_for_test(results)
        if (found := paired(a, b))
    ]
    return {name: value for name, value in (("gaps", gaps), ("mcnemar", tests)) if value}


def pairs_for_gap(results: Sequence[ProbeResult]) -> list[tuple[ProbeResult, ProbeResult]]:
    """The public item and the fresh ones, of the same arm."""
    return [
        (fomo, heldout)
        for fomo in results
        for heldout in results
        if (fomo.suite, heldout.suite) == ("fomo", "heldout") and arm_of(fomo) == arm_of(heldout)
    ]


def pairs_for_test(results: Sequence[ProbeResult]) -> list[tuple[ProbeResult, ProbeResult]]:
    """The first arm with each other one, suite by suite."""
    found = []
    for suite in dict.fromkeys(result.suite for result in results):
        first, *others = [result for result in results if result.suite == suite]
        found += [(first, other) for other in others]
    return found


def arm_of(result: ProbeResult) -> tuple[object, ...]:
    """What an arm is made of, apart from the suite."""
    arm = result.run.arm
    assert isinstance(arm.task, Probe)
    return (arm.target, arm.options, arm.task.thinking, arm.task.sampler)


def _gap(fomo: ProbeResult, heldout: ProbeResult) -> dict[str, Any]:
    return {
        "fomo": fomo.run.run_id,
        "heldout": heldout.run.run_id,
        "fomo_minus_heldout": estimate(gap(fomo, heldout)),
    }


def _ends(share: Estimate | None) -> list[float | None] | None:
    return [share.low, share.high] if share else None
