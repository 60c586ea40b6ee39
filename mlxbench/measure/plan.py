"""When to stop: warm up until steady, then measure until the interval or the budget says so.

The budget covers warm-up and trials of one arm; loading comes before it. A slow model on a slow
machine therefore ends when the budget says, with what it has: even a single trial is a result, if
one without an interval. A fixed number of trials overrides both the budget and the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlxbench import stats
from mlxbench.measure.pairs import seconds
from mlxbench.records import Completed, Phase, Trial

WARMUP_CAP = 12
WARMUP_SHARE = 0.5  # of the budget at most, so that measuring gets the other half
FEWEST_TRIALS = 8
TARGET_HALF_WIDTH = 0.01
FAILURE_SHARE = 0.2
FAILURES_TOLERATED = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to go on. `None` for `trials` or `warmup` means: until the figures say so."""

    trials: int | None = None
    warmup: int | None = None
    budget_s: float = 60.0


UNTIL_PRECISE = Plan()


def pace(trial: Completed) -> float:
    """Seconds per token of a decode, or to the first token of a single-token trial."""
    decoding_s = seconds(trial, "decode")
    return trial.stamps[0] if decoding_s is None else decoding_s


@dataclass(slots=True)
class Progress:
    """What one arm has so far, and the decision that follows from it."""

    plan: Plan
    spent_s: float = 0.0
    warm: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    failures: int = 0
    latest_failure: str = ""
    latest_s: float = 0.0

    def add(self, trial: Trial, phase: Phase, spent_s: float) -> None:
        # The first trial also fills the context, which the following ones find filled.
        first = self.spent_s == 0.0 and trial.duration_s is not None
        self.latest_s = trial.duration_s if first and trial.duration_s else spent_s - self.spent_s
        self.spent_s = spent_s
        if isinstance(trial, Completed):
            (self.warm if phase == "warmup" else self.measured).append(pace(trial))
        else:
            self.failures += 1
            self.latest_failure = trial.message

    def first_is_all(self, trial: Trial, spent_s: float) -> bool:
        """Whether the budget has no room for a second trial, so that the first one must count."""
        free = self.plan.trials is None and self.plan.warmup is None
        return (
            free
            and isinstance(trial, Completed)
            and spent_s + trial.duration_s > self.plan.budget_s
        )

    def warming(self) -> bool:
        if self.plan.warmup is not None:
            return len(self.warm) < self.plan.warmup
        if self.measured:
            return False
        if len(self.warm) >= WARMUP_CAP or self.settled():
            return False
        if not self.warm:
            return True
        return self.spent_s + self.latest_s <= WARMUP_SHARE * self.plan.budget_s

    def settled(self) -> bool:
        """Whether the warm-up ended because the pace was steady."""
        return stats.is_steady(self.warm)

    def done(self) -> bool:
        if self.plan.trials is not None:
            return len(self.measured) >= self.plan.trials
        if not self.measured:  # one trial at least: even that is a result
            return False
        return self.precise() or self.spent_s + self.latest_s > self.plan.budget_s

    def precise(self) -> bool:
        if len(self.measured) < FEWEST_TRIALS:
            return False
        width = stats.mean(self.measured).relative_half_width
        return width is not None and width <= TARGET_HALF_WIDTH

    def hopeless(self) -> bool:
        """More than a fifth of the trials failed: an arm like that has no rate."""
        trials = len(self.warm) + len(self.measured) + self.failures
        return self.failures > FAILURES_TOLERATED and self.failures > FAILURE_SHARE * trials

    def remaining_s(self) -> float:
        """An upper estimate of the time left, were every trial as long as the latest."""
        if self.plan.trials is None:
            return max(0.0, self.plan.budget_s - self.spent_s)
        warmup = WARMUP_CAP if self.plan.warmup is None else self.plan.warmup
        left = warmup - len(self.warm) if self.warming() else 0
        return (left + self.plan.trials - len(self.measured)) * self.latest_s


def estimate(paces: Sequence[float]) -> stats.Estimate | None:
    """The rate so far, for progress displays."""
    return stats.throughput([1.0] * len(paces), paces) if paces else None
