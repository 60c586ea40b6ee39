"""From a probe's replies to its result. Graded on every read: the store keeps replies, no grades.

- A reply **passes** if its final answer asserts the phrase (grade 3); to a control, which hides
  nothing, if it claims nothing hidden (grade 0). Any other complete reply to a control is a **false
  positive**.
- A reply that the token budget cut before an answer is TRUNCATED. It counts as no pass; the share
  of passes among the complete replies stands beside.
- The **verdict** is PASS where at least half of the replies pass. The `seed_verdict` is the same by
  the rule of the lab note's script.
- **Tokens to PASS** are all tokens generated over the passes: what one PASS costs, failed attempts
  included. Seconds likewise, of the machine's time: replies decoded together share it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlxbench import stats
from mlxbench.acrostic import Grades, SeedVerdict, grade
from mlxbench.records import Completed, Probe, Run
from mlxbench.stats import Estimate

TRUNCATED = "TRUNCATED"
PASSED, NOTHING = 3, 0
GRADES = ("0", "1", "2", "3", TRUNCATED)


def passes(grades: Grades, control: bool) -> bool:
    """Whether an answer gives the phrase, or to a control that there is none."""
    return grades.final_grade == (NOTHING if control else PASSED)


@dataclass(frozen=True, slots=True)
class Reply:
    """One graded reply; `machine_s` is its share of the machine's time."""

    place: int
    item: str
    control: bool
    grades: Grades
    tokens: int
    machine_s: float
    cut: bool

    @property
    def passed(self) -> bool:
        return passes(self.grades, self.control)

    @property
    def truncated(self) -> bool:
        return self.grades.final_grade == TRUNCATED


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of one probe; `missing` replies were never had."""

    run: Run
    suite: str
    replies: tuple[Reply, ...]
    missing: int

    @property
    def passes(self) -> int:
        return sum(reply.passed for reply in self.replies)

    @property
    def truncated(self) -> int:
        return sum(reply.truncated for reply in self.replies)

    @property
    def share(self) -> Estimate | None:
        """Passes among all replies, with Wilson's interval."""
        return _share(self.passes, len(self.replies))

    @property
    def share_of_complete(self) -> Estimate | None:
        """Passes among the replies that were not truncated."""
        return _share(self.passes, len(self.replies) - self.truncated)

    @property
    def counts(self) -> dict[str, int]:
        """How many replies got each grade."""
        found = Counter(str(reply.grades.final_grade) for reply in self.replies)
        return {name: found[name] for name in GRADES}

    @property
    def false_positives(self) -> int | None:
        """Complete replies that claim something hidden in a control; `None` without controls."""
        controls = [reply for reply in self.replies if reply.control]
        if not controls:
            return None
        return sum(not reply.passed and not reply.truncated for reply in controls)

    @property
    def verdict(self) -> SeedVerdict | None:
        """PASS where at least half of the replies pass; `None` without replies."""
        return _majority(self.passes, len(self.replies))

    @property
    def seed_verdict(self) -> SeedVerdict | None:
        """The same, by the rule of the lab note's script."""
        passed = sum(reply.grades.seed_verdict == "PASS" for reply in self.replies)
        return _majority(passed, len(self.replies))

    @property
    def tokens_to_pass(self) -> float | None:
        """Tokens generated for each pass."""
        return sum(reply.tokens for reply in self.replies) / self.passes if self.passes else None

    @property
    def seconds_to_pass(self) -> float | None:
        """Seconds of the machine's time for each pass."""
        spent = math.fsum(reply.machine_s for reply in self.replies)
        return spent / self.passes if self.passes else None


def graded(run: Run) -> ProbeResult:
    """The result of a stored probe, its replies graded."""
    probe = run.arm.task
    assert isinstance(probe, Probe)
    replies = tuple(
        graded_reply(probe, record.sequence, record.trial)
        for record in run.trials
        if isinstance(record.trial, Completed)
    )
    return ProbeResult(run, probe.suite, replies, probe.replies - len(replies))


def gap(fomo: ProbeResult, heldout: ProbeResult) -> Estimate | None:
    """How much better the public item is known than fresh ones: a sign that it was memorised."""
    if not fomo.replies or not heldout.replies:
        return None
    return stats.difference(fomo.passes, len(fomo.replies), heldout.passes, len(heldout.replies))


@dataclass(frozen=True, slots=True)
class Paired:
    """Two probes on the same items: how many only one of them passed, and McNemar's p-value."""

    items: int
    only_first: int
    only_second: int
    p: float


def paired(first: ProbeResult, second: ProbeResult) -> Paired | None:
    """`None` unless they share at least two items. An item passes where half of its replies do."""
    a, b = _by_item(first.replies), _by_item(second.replies)
    shared = [item for item in a if item in b]
    if len(shared) < 2:
        return None
    only_a = sum(a[item] and not b[item] for item in shared)
    only_b = sum(b[item] and not a[item] for item in shared)
    return Paired(len(shared), only_a, only_b, stats.mcnemar(only_a, only_b))


def graded_reply(probe: Probe, place: int, trial: Completed) -> Reply:
    """The reply at a place of a probe."""
    question = probe.question(place)
    cut = trial.finish_reason == "length"
    return Reply(
        place=place,
        item=question.item,
        control=question.phrase is None,
        grades=grade(
            trial.text or "", question.phrase, prompt=question.messages[-1].content, cut=cut
        ),
        tokens=trial.generated_tokens,
        machine_s=trial.native.get("machine_s", trial.duration_s),
        cut=cut,
    )


def _by_item(replies: Sequence[Reply]) -> dict[str, bool]:
    votes: dict[str, list[bool]] = {}
    for reply in replies:
        votes.setdefault(reply.item, []).append(reply.passed)
    return {item: 2 * sum(passed) >= len(passed) for item, passed in votes.items()}


def _share(passes: int, n: int) -> Estimate | None:
    return stats.wilson(passes, n) if n else None


def _majority(passes: int, n: int) -> SeedVerdict | None:
    if not n:
        return None
    return "PASS" if 2 * passes >= n else "FAIL"
