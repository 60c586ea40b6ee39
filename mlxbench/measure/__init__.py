"""Measuring: warm-up, trials, stop rules; arms in, committed records out.

This layer sees engines only through their protocol, and never prints: who wants to watch passes
a callback and receives events.
"""

from mlxbench.measure.plan import Plan, Progress
from mlxbench.measure.runs import measure
from mlxbench.measure.session import (
    Asking,
    Event,
    Finished,
    Job,
    Loading,
    Logging,
    ReplyEnded,
    Session,
    Started,
    TrialEnded,
)
from mlxbench.measure.trials import trials

__all__ = [
    "Asking",
    "Event",
    "Finished",
    "Job",
    "Loading",
    "Logging",
    "Plan",
    "Progress",
    "ReplyEnded",
    "Session",
    "Started",
    "TrialEnded",
    "measure",
    "trials",
]
