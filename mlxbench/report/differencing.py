"""The decode rate from two lengths, a check on the one from stamps.

A request of N tokens takes what it takes before the first token, plus N-1 steps. Two requests that
differ in nothing but N differ by (N2 - N1) steps, so (N2 - N1) / (T2 - T1) is a decode rate for
which nobody has to say when the first token came. Where it disagrees with the rate from stamps, the
stamps are wrong: a server that holds its first token back, or rounds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mlxbench import stats
from mlxbench.measure.findings import TrialsOf
from mlxbench.records import Comparison, Completed, Timed, Trial
from mlxbench.report.format import interval, rate
from mlxbench.stats import Estimate


@dataclass(frozen=True, slots=True)
class Differencing:
    """Decode rates of one target: from two lengths, and from the stamps of the longer one."""

    comparison_id: str
    lengths: tuple[int, int]
    tps: Estimate
    stamped_tps: Estimate

    @property
    def word(self) -> Literal["agrees", "disagrees", "too noisy"]:
        """Whether the two 95 % intervals overlap; too noisy where one has no end."""
        bounds = (self.tps.low, self.tps.high, self.stamped_tps.low, self.stamped_tps.high)
        low, high, stamped_low, stamped_high = bounds
        if low is None or high is None or stamped_low is None or stamped_high is None:
            return "too noisy"
        return "agrees" if low <= stamped_high and stamped_low <= high else "disagrees"


def differencing(
    comparison: Comparison, rates: tuple[Estimate | None, ...], trials_of: TrialsOf
) -> Differencing | None:
    """`None` unless the two arms differ in length alone, and the longer one took longer."""
    arms = comparison.arms
    if len(arms) != 2 or comparison.metric != "decode":
        return None
    tasks = [arm.task for arm in arms]
    if not all(isinstance(task, Timed) and task.kind == "request" for task in tasks):
        return None
    lengths = [task.generation_tokens for task in tasks if isinstance(task, Timed)]
    if lengths[0] == lengths[1] or arms[0] != replace(arms[1], task=_like(tasks[1], lengths[0])):
        return None
    long = lengths.index(max(lengths))
    gaps = _gaps(comparison, trials_of, long)
    stamped = rates[long]
    if not gaps or sum(gaps) <= 0 or stamped is None:
        return None
    tokens = float(max(lengths) - min(lengths))
    tps = stats.throughput([tokens] * len(gaps), gaps, level=0.95)
    return Differencing(comparison.comparison_id, (min(lengths), max(lengths)), tps, stamped)


def document(found: Differencing) -> dict[str, Any]:
    """For scripts."""
    return {**asdict(found), "word": found.word}


def sentence(found: Differencing) -> str:
    """For people."""
    by_length, by_stamps = found.tps, found.stamped_tps
    verdict = {
        "agrees": "the stamps agree",
        "disagrees": "the stamps DISAGREE: distrust this server's rate",
        "too noisy": "too noisy to tell",
    }[found.word]
    return (
        f"check by differencing {found.lengths[1]} and {found.lengths[0]} tokens: "
        f"{rate(by_length.value)} tok/s [{interval(by_length.low, by_length.high)}, "
        f"{by_length.n} pairs]; by stamps {rate(by_stamps.value)} "
        f"[{interval(by_stamps.low, by_stamps.high)}]: {verdict}"
    )


def outcome(found: Differencing | None) -> str:
    """The sentence, or that the check gave nothing."""
    return sentence(found) if found else "the check by two lengths gave no rate: too noisy"


def _like(task: object, length: int) -> Timed:
    assert isinstance(task, Timed)
    return replace(task, generation_tokens=length)


def _gaps(comparison: Comparison, trials_of: TrialsOf, long: int) -> list[float]:
    """Per round, by how many seconds the longer request took longer."""
    found = []
    for session in comparison.sessions:
        if session.failure is not None:
            continue
        longer, shorter = (trials_of(session.run_ids[arm]) for arm in (long, 1 - long))
        for a, b in zip(longer, shorter, strict=False):
            whole, part = _ended(a), _ended(b)
            if whole is not None and part is not None:
                found.append(whole - part)
    return found


def _ended(trial: Trial) -> float | None:
    """Seconds from the beginning of the request to its last token."""
    return trial.stamps[-1] if isinstance(trial, Completed) else None
