"""The clock that stamps tokens: fine enough, never backwards, and as fast as another one.

A decode step may take less than a millisecond, so the clock has to tell a hundredth of that. It is
held against a second clock of the system that nobody sets and nobody slews, over the whole
self-test: a step or a wrong pace shows as a difference between the two. On a Mac both are read off
one hardware counter, so a wrong pace of that would not show there. Sleep is no step; the two clocks
that tell sleep are looked at as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from mlxbench.environment.sleep import LONGEST_GAP_S, seconds_asleep
from mlxbench.report.format import milliseconds
from mlxbench.selftest.checked import Checked

TOPIC = "clock"
READINGS = 100_000
COARSEST_S = 1e-5
STEP_S = 0.002
PACE = 1e-3  # the two may differ by half of that where one is slewed

Read = Callable[[], float]


def reference_clock() -> float:
    """Seconds of a clock that is set by nobody and not slewed."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on the clock, on the other one, and how long the machine has slept by then."""

    clock: float
    reference: float
    asleep: float


def moment(
    read: Read = time.perf_counter, reference: Read = reference_clock, asleep: Read = seconds_asleep
) -> Moment:
    """Now; of three readings of both clocks the one in which they lie closest together."""
    pairs = [(read(), reference(), read()) for _ in range(3)]
    before, other, after = min(pairs, key=lambda three: three[2] - three[0])
    return Moment((before + after) / 2, other, asleep())


def grain(read: Read = time.perf_counter, readings: int = READINGS) -> Iterator[Checked]:
    """Whether the clock is fine enough, and whether it ever goes backwards."""
    seen = [read() for _ in range(readings)]
    steps = [after - before for before, after in pairwise(seen)]
    forward = [step for step in steps if step > 0]
    finest = min(forward, default=float("inf"))
    yield Checked(
        TOPIC,
        "resolution",
        finest <= COARSEST_S,
        f"{finest * 1e9:.0f} ns" if forward else "it stands still",
        f"at most {COARSEST_S * 1e6:.0f} µs",
        "the smallest step between two readings of the clock that stamps tokens",
        {"step_s": finest} if forward else {},
    )
    backwards = sum(step < 0 for step in steps)
    yield Checked(
        TOPIC,
        "never backwards",
        backwards == 0,
        f"{backwards} of {len(steps)} steps",
        "none",
        "a clock that goes back makes rates that never were",
    )


def pace(begin: Moment, end: Moment) -> Iterator[Checked]:
    """Whether the clock ran as another one did between two moments of the self-test."""
    passed = end.clock - begin.clock
    slept = end.asleep - begin.asleep
    apart = passed - (end.reference - begin.reference)
    asleep = slept > LONGEST_GAP_S
    allowed = STEP_S + PACE * abs(passed)
    yield Checked(
        TOPIC,
        "no step",
        None if asleep else abs(apart) <= allowed,
        f"{milliseconds(abs(apart))} apart after {passed:.1f} s",
        f"at most {milliseconds(allowed)}",
        "the machine slept meanwhile, so the two clocks cannot be held together"
        if asleep
        else "the clock that stamps tokens against CLOCK_MONOTONIC_RAW, over the whole self-test "
        "(on a Mac both count by one hardware counter, whose own pace is not tested)",
        {"elapsed_s": passed, "apart_s": apart},
    )
    yield Checked(
        TOPIC,
        "sleep",
        slept > -LONGEST_GAP_S,
        f"{abs(slept):.3f} s" if slept > -LONGEST_GAP_S else f"{slept:.3f} s",
        "not negative",
        "how long the machine slept during the self-test, from two clocks of the system",
        {"slept_s": slept},
    )
