"""A comparison as people and scripts read it: derived from the store, the same on every reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench import stats
from mlxbench.measure.alarms import alarms
from mlxbench.measure.findings import (
    Finding,
    TrialsOf,
    confirmed_finding,
    findings,
    measured_trials,
)
from mlxbench.measure.pairs import seconds
from mlxbench.records import SCHEMA_VERSION, Comparison, Notice, Run, Timed
from mlxbench.report import beside, parts
from mlxbench.report import differencing as two_lengths
from mlxbench.report.arms import described
from mlxbench.report.differencing import Differencing, differencing
from mlxbench.report.document import estimate
from mlxbench.report.fairness import Fairness, fairness
from mlxbench.report.format import MISSING, interval
from mlxbench.report.format import rate as shown_rate
from mlxbench.report.terminal import notice_line, table, text
from mlxbench.stats import Estimate, Verdict
from mlxbench.store import Store

METRIC_NAMES = {
    "decode": "decode speed (mean time per token)",
    "median-gap": "decode speed (median gap between tokens)",
    "prefill": "prefill speed",
    "ttft": "time to the first token",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A comparison with everything that was derived from its trials."""

    comparison: Comparison
    rates: tuple[Estimate | None, ...]
    findings: tuple[Finding, ...]
    confirmed: Finding | None
    notices: tuple[Notice, ...]
    fairness: Fairness | None
    differencing: Differencing | None

    @property
    def null(self) -> Finding | None:
        """The first arm against itself."""
        return self.findings[-1] if self.comparison.null else None

    @property
    def claims(self) -> tuple[Finding, ...]:
        """The findings about arms that somebody wants to know about."""
        return self.findings[:-1] if self.comparison.null else self.findings


def read(store: Store, comparison_id: str) -> Read:
    """Derive everything from the stored trials."""
    comparison = store.comparison(comparison_id)
    trials_of = measured_trials(store)
    made = findings(comparison, trials_of)
    rates = tuple(_rate(comparison, arm, trials_of) for arm in range(len(comparison.arms)))
    runs = [_a_run(store, comparison, arm) for arm in range(len(comparison.arms))]
    own = {notice.code: notice for run in runs if run for notice in run.notices}
    found = {notice.code: notice for notice in comparison.notices}
    alarmed = {notice.code: notice for notice in alarms(comparison, made, trials_of)}
    return Read(
        comparison,
        rates,
        tuple(made),
        confirmed_finding(comparison, trials_of),
        tuple((found | own | alarmed).values()),
        fairness(comparison, rates, runs, trials_of),
        differencing(comparison, rates, trials_of),
    )


def _a_run(store: Store, comparison: Comparison, arm: int) -> Run | None:
    """The arm's run in a session that went well, for what all its runs have in common."""
    for session in comparison.sessions:
        if session.failure is None and len(session.run_ids) > arm:
            return store.run(session.run_ids[arm])
    return None


def document(found: Read) -> dict[str, Any]:
    """The JSON document for scripts. With several arms `ratio` and `verdict` are the winner's."""
    comparison = found.comparison
    headline = _headline(found)
    verdict = headline.verdict if headline else None
    return {
        "schema_version": SCHEMA_VERSION,
        "comparison": {
            "id": comparison.comparison_id,
            "status": comparison.status,
            "arms": [
                {
                    **asdict(arm),
                    "label": label(comparison, index),
                    "tps": estimate(found.rates[index]),
                }
                for index, arm in enumerate(comparison.arms)
            ],
            "metric": comparison.metric,
            "ratio": _ratio(verdict),
            "verdict": verdict.word if verdict else None,
            "mde": verdict.detectable if verdict else None,
            "pairs": headline.effect.pairs if headline and headline.effect else 0,
            "sessions": [asdict(session) for session in comparison.sessions],
            "findings": [_finding(comparison, one) for one in found.findings],
            "confirmation": _finding(comparison, found.confirmed) if found.confirmed else None,
            "null": _finding(comparison, found.null) if found.null else None,
            "seed": comparison.seed,
            "alternating": comparison.alternating,
            **(beside.document(found.fairness) if found.fairness else {}),
            "differencing": found.differencing and two_lengths.document(found.differencing),
            "warnings": [asdict(notice) for notice in found.notices],
        },
    }


def report(found: Read) -> Iterator[Table | Text]:
    """What a person reads: arms with their rates, then a sentence for each finding."""
    comparison = found.comparison
    measured = any(value is not None for value in found.rates)
    if measured:
        yield _arms_table(found)
        yield Text("")
    for finding in found.claims:
        yield text(sentence(comparison, finding))
    if found.null:
        yield text("noise floor: " + sentence(comparison, found.null))
    if found.confirmed:
        yield text("confirmed on fresh pairs: " + sentence(comparison, found.confirmed))
    yield text(_how(comparison))
    if found.differencing:
        yield text(two_lengths.sentence(found.differencing))
    if found.fairness and measured:
        names = [label(comparison, index) for index in range(len(comparison.arms))]
        yield from beside.report(found.fairness, names)
    for session in comparison.sessions:
        if session.failure:
            yield text(f"a session failed: {session.failure}")
    for notice in found.notices:
        yield text(notice_line(notice))


def list_table(comparisons: Sequence[Read]) -> Table:
    """One line for each finding."""
    made = table("comparison", "arms and finding")
    made.columns[0].no_wrap = True
    for found in comparisons:
        arms = [
            f"{label(found.comparison, index)}: {', '.join(said)}"
            for index, said in enumerate(described(found.comparison.arms))
        ]
        lines = [*arms, *(sentence(found.comparison, finding) for finding in found.claims)]
        made.add_row(found.comparison.comparison_id, Text("\n").join(text(line) for line in lines))
    return made


def sentence(comparison: Comparison, finding: Finding) -> str:
    """One finding in words, with its interval and n."""
    name, first = label(comparison, finding.arm), label(comparison, 0)
    verdict, effect = finding.verdict, finding.effect
    if verdict is None or effect is None:
        return f"{name} against {first}: too few usable pairs for a verdict"
    ratio = verdict.speed_ratio
    bounds = f"{_percent(ratio.low)} to {_percent(ratio.high)}"
    pairs = f"{effect.pairs} pairs"
    if effect.sessions > 1:
        pairs += f" in {effect.sessions} sessions"
    if verdict.word in ("faster", "slower"):
        small = ", too little to matter to most" if verdict.slight else ""
        size = f"{abs(ratio.value - 1):.1%}"
        return f"{name} is {size} {verdict.word} than {first} (95 %: {bounds}; {pairs}){small}"
    if verdict.word == "equivalent":
        return f"{name} and {first} are equally fast within 1 % (95 %: {bounds}; {pairs})"
    # Only Holm's adjustment says "inconclusive" of an interval that excludes 1.
    excludes = ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high
    among = f" among this many arms (adjusted p = {finding.adjusted_p:.2f})" if excludes else ""
    return (
        f"{name} against {first}: no difference shown{among} (95 %: {bounds}; {pairs}); "
        f"one of {verdict.detectable:.1%} would have been found 4 times in 5"
    )


def label(comparison: Comparison, arm: int) -> str:
    """An arm's letter; the first one, measured once more, has none of its own."""
    name = chr(ord("A") + arm)
    if comparison.null and arm == len(comparison.arms) - 1:
        return "A again"
    return name


def _arms_table(found: Read) -> Table:
    arms = found.comparison.arms
    unit = parts.unit(arms)
    made = table("", "arm", unit, "95 % interval", "n", right=(unit, "95 % interval", "n"))
    for index, said in enumerate(described(arms)):
        value = found.rates[index]
        made.add_row(
            label(found.comparison, index),
            text(", ".join(said)),
            shown_rate(value.value if value else None),
            interval(value.low, value.high) if value else MISSING,
            str(value.n if value else 0),
        )
    return made


def _how(comparison: Comparison) -> str:
    sessions = [session for session in comparison.sessions if session.failure is None]
    done = sum(len(session.rounds) for session in sessions)
    planned = sum(session.planned for session in sessions)
    said = [
        parts.pace(comparison.arms) or METRIC_NAMES[comparison.metric],
        f"{done} of {planned} planned rounds",
        f"{len(sessions)} session{'s' if len(sessions) != 1 else ''}",
        f"seed {comparison.seed}",
        f"kept as {comparison.comparison_id}",
    ]
    if comparison.alternating:
        said.append("the arms do not fit into memory together and took turns by session")
    return " · ".join(said)


def _headline(found: Read) -> Finding | None:
    if found.confirmed:
        return found.confirmed
    return found.claims[0] if len(found.claims) == 1 else None


def _finding(comparison: Comparison, finding: Finding) -> dict[str, Any]:
    verdict, effect = finding.verdict, finding.effect
    return {
        "arm": finding.arm,
        "label": label(comparison, finding.arm),
        "ratio": _ratio(verdict),
        "verdict": verdict.word if verdict else None,
        "slight": verdict.slight if verdict else None,
        "mde": verdict.detectable if verdict else None,
        "pairs": effect.pairs if effect else 0,
        "sessions": effect.sessions if effect else 0,
        "adjusted_p": finding.adjusted_p,
    }


def _ratio(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    ratio = verdict.speed_ratio
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high}


def _percent(ratio: float | None) -> str:
    return "?" if ratio is None else f"{ratio - 1:+.1%}"


def _rate(comparison: Comparison, arm: int, trials_of: TrialsOf) -> Estimate | None:
    """One arm's own rate over all sessions: what it compares, as tokens per second."""
    task = comparison.arms[arm].task
    assert isinstance(task, Timed)
    counts, times = [], []
    for session in comparison.sessions:
        if session.failure is not None or len(session.run_ids) <= arm:
            continue
        for trial in trials_of(session.run_ids[arm]):
            value = seconds(trial, comparison.metric)
            if value is not None:
                per = task.prompt_tokens if comparison.metric in ("prefill", "ttft") else 1
                counts.append(float(per * task.batch_size))
                times.append(value)
    return stats.throughput(counts, times, level=0.95) if counts else None
