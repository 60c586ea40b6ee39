"""Did the machine sleep during a trial?

Each system has a clock that runs on in sleep and one that stops. Their difference is the time
slept, and unlike the wall clock neither can be set. (From clock_gettime(2) of Linux and macOS;
not tried on a Mac here.)
"""

from __future__ import annotations

import sys
import time

LONGEST_GAP_S = 0.050  # between the two readings of one moment, with much to spare

if sys.platform == "darwin":
    RUNS_IN_SLEEP, STOPS_IN_SLEEP = time.CLOCK_MONOTONIC_RAW, time.CLOCK_UPTIME_RAW
else:
    RUNS_IN_SLEEP, STOPS_IN_SLEEP = time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC


def seconds_asleep() -> float:
    """Seconds that the machine has slept, from an arbitrary start."""
    return time.clock_gettime(RUNS_IN_SLEEP) - time.clock_gettime(STOPS_IN_SLEEP)


def was_suspended(before: float, after: float) -> bool:
    """Whether the machine slept between two values of `seconds_asleep`."""
    return after - before > LONGEST_GAP_S
