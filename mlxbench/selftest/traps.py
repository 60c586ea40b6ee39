"""Waiting for the device: which calls come back only when it is done, and which too early.

`mx.eval` and `mx.synchronize` of the generation stream are what every stamp rests on, so they must
not come back early. The others are traps that others fall into; how deep they are on this device is
written down.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from mlxbench.lab.device_checks.asynchrony import Asynchrony
from mlxbench.report.format import milliseconds
from mlxbench.selftest.checked import Checked

TOPIC = "waiting for the device"
MOST_LEFT = 0.05  # of the work, when a value is read that should be there
AHEAD = 0.5


def check(found: Sequence[Asynchrony], operations: int) -> Iterator[Checked]:
    """Judge several measurements of the same work by their medians."""
    work_s = statistics.median(one.work_s for one in found)
    for name, call, left in (
        ("mx.eval waits", "mx.eval", [one.read_after_evaluate_s for one in found]),
        (
            "synchronize waits",
            "mx.synchronize of the generation stream",
            [one.read_after_wait_s for one in found],
        ),
    ):
        yield _waits(name, call, statistics.median(left), work_s)
    dispatched = statistics.median(one.dispatched_s for one in found)
    yield _trap("mx.async_eval alone", "dispatching", dispatched, work_s)
    bare = statistics.median(one.bare_waited_s for one in found)
    yield _trap("bare mx.synchronize", "waiting for the default stream", bare, work_s)
    yield Checked(
        TOPIC,
        "matrix products",
        None,
        f"{operations / work_s / 1e9:.4g} Gflop/s",
        "",
        "float32, as fast as the work of these checks went",
        {"flops": operations / work_s, "work_s": work_s},
    )


def _waits(name: str, call: str, left_s: float, work_s: float) -> Checked:
    return Checked(
        TOPIC,
        name,
        left_s <= MOST_LEFT * work_s,
        f"{milliseconds(left_s)} left of {milliseconds(work_s)}",
        f"at most {MOST_LEFT:.0%} of the work",
        f"reading a value after {call} must not take time: it is there",
        {"left_s": left_s, "work_s": work_s},
    )


def _trap(name: str, what: str, back_s: float, work_s: float) -> Checked:
    early = back_s < AHEAD * work_s
    said = (
        f"{what} came back long before the device was done: a clock stopped there would claim "
        f"{work_s / back_s:.3g} times the rate"
        if early
        else f"{what} came back when the device was nearly done: this trap is not seen here"
    )
    value = f"back after {milliseconds(back_s)} of {milliseconds(work_s)}"
    return Checked(TOPIC, name, None, value, "", said, {"back_s": back_s, "work_s": work_s})
