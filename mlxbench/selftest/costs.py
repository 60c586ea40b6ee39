"""What this machine's memory and launches cost: the two constants of every prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxbench.lab.bandwidth import Bandwidth
from mlxbench.report.format import milliseconds
from mlxbench.selftest.checked import Checked

TOPIC = "costs"
MOST_OF_STATED = 1.1
LEAST_OF_STATED = 0.5


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that the memory may give, measured or stated; `judged` if that is sure enough.

    Noise makes a measured bandwidth too low, and a cache makes it any: rates above it prove nothing
    where the bandwidth itself had no verdict.
    """

    bytes_per_s: float
    judged: bool


def bandwidth(found: Bandwidth, stated: float | None) -> Checked:
    """The measured bandwidth, against what the chip's maker states where that is known."""
    share = None if stated is None else found.bytes_per_s / stated
    passed: bool | None = None
    said = "this chip's own figure is not known here"
    if share is not None:
        said = f"{share:.0%} of what the maker states for this chip"
        passed = share <= MOST_OF_STATED
        if share < LEAST_OF_STATED:
            passed, said = None, said + "; was the machine busy?"
    return Checked(
        TOPIC,
        "memory bandwidth",
        passed,
        f"{found.bytes_per_s / 1e9:.4g} GB/s",
        "" if stated is None else f"at most {stated * MOST_OF_STATED / 1e9:.4g} GB/s",
        said,
        {"bytes_per_s": found.bytes_per_s, "low": found.low, "high": found.high},
    )


def launch(median_s: float, seconds: Sequence[float]) -> Checked:
    """What a launch adds to a chain of dependent ones."""
    return Checked(
        TOPIC,
        "kernel launch",
        median_s > 0,
        f"{median_s * 1e6:.3g} µs",
        "above 0",
        "added by each launch in a chain of tiny ones, from chains of two lengths",
        {"median_s": median_s, "low_s": min(seconds), "high_s": max(seconds)},
    )


def round_trip(seconds: float) -> Checked:
    """What it costs to ask for one value."""
    return Checked(
        TOPIC,
        "round trip",
        None,
        milliseconds(seconds),
        "",
        "from asking for one tiny result to holding it: what a step costs at least if each waits",
        {"seconds": seconds},
    )
