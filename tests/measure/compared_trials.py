"""Hand-made comparisons: arms, trials of a given pace, and sessions of given rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxbench.measure.findings import TrialsOf
from mlxbench.records import (
    Arm,
    ComparedSession,
    Comparison,
    Completed,
    Failed,
    Metric,
    Target,
    Timed,
    Trial,
)

FAILED = Failed("engine_error", "scripted", 1.0)
STEPS = 5
# Small wobbles with a mean of 0, the same for every arm that does not bring its own.
WOBBLE = (0.001, -0.001, 0.0005, -0.0005)


def decoded(pace_s: float, ttft_s: float = 1.0) -> Completed:
    """A trial whose tokens come `pace_s` apart."""
    stamps = tuple(ttft_s + step * pace_s for step in range(STEPS))
    return Completed("virtual", stamps, stamps[-1], 16, STEPS, 1, "length")


def paced(pace_s: float, wobbles: Iterable[float]) -> list[Trial]:
    """A trial for each wobble, a share of the pace."""
    return [decoded(pace_s * (1 + wobble)) for wobble in wobbles]


def wobbling(pace_s: float, trials: int) -> list[Trial]:
    return paced(pace_s, [WOBBLE[i % len(WOBBLE)] for i in range(trials)])


def alternating_rounds(rounds: int) -> tuple[tuple[int, ...], ...]:
    """A B, B A, A B, …"""
    return tuple((0, 1) if i % 2 == 0 else (1, 0) for i in range(rounds))


def arms(count: int) -> tuple[Arm, ...]:
    names = ["first", "second", "third", "fourth", "fifth", "sixth"][:count]
    return tuple(Arm(Target("sim", name, name), Timed("decode", 16, STEPS)) for name in names)


def compared(
    sessions: Sequence[ComparedSession],
    count: int = 2,
    metric: Metric = "decode",
    null: bool = False,
    alternating: bool = False,
) -> Comparison:
    return Comparison(
        comparison_id="20261123-041522-a3f9",
        created_utc="2026-11-23T04:15:22Z",
        command="mlxbench compare",
        metric=metric,
        arms=arms(count),
        seed=0,
        budget_s=60.0,
        null=null,
        alternating=alternating,
        status="done",
        sessions=tuple(sessions),
    )


def one_session(
    trials: Sequence[Sequence[Trial]],
    planned: int | None = None,
    rounds: Sequence[tuple[int, ...]] | None = None,
    prefix: str = "run",
) -> tuple[ComparedSession, dict[str, Sequence[Trial]]]:
    """A session of these trials, arm by arm, and where to find them."""
    done = len(trials[0])
    if rounds is None:
        forward = tuple(range(len(trials)))
        rounds = tuple(forward if i % 2 == 0 else forward[::-1] for i in range(done))
    runs = {f"{prefix}-{arm}": made for arm, made in enumerate(trials)}
    session = ComparedSession(tuple(runs), tuple(rounds), done if planned is None else planned)
    return session, runs


def reader(*runs: dict[str, Sequence[Trial]]) -> TrialsOf:
    """Trials by run, as if from a store."""
    everything = {run_id: trials for one in runs for run_id, trials in one.items()}
    return everything.__getitem__
