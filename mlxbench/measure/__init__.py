"""Measuring: warm-up, trials, stop rules; arms in, committed records out.

This layer sees engines only through their protocol, and never prints: who wants to watch passes
a callback and receives events.
"""

from mlxbench.measure.plan import Plan, Progress
from mlxbench.measure.runs import Event, Finished, Loading, Session, Started, TrialEnded, measure
from mlxbench.measure.trials import trials

__all__ = [
    "Event",
    "Finished",
    "Loading",
    "Plan",
    "Progress",
    "Session",
    "Started",
    "TrialEnded",
    "measure",
    "trials",
]
