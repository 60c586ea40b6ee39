"""The running k of n of a probe, and how long the rest may take."""

from __future__ import annotations

import time

from mlxbench.measure import Asking, ReplyEnded
from mlxbench.records import Completed, Probe, Run, TrialRecord
from mlxbench.report.format import duration
from mlxbench.report.probes import graded_reply
from mlxbench.report.safe import one_line


class PassCount:
    """Counts the replies of the probe under way."""

    def __init__(self) -> None:
        self._passes = self._replies = self._ended = 0
        self._missing = 0
        self._began = 0.0

    def line(self, event: Asking | ReplyEnded) -> str:
        """What to show after this event."""
        probe = event.run.arm.task
        assert isinstance(probe, Probe)
        if isinstance(event, Asking):
            self._begin(event)
        else:
            self._ended += 1
            self._add(probe, event.record)
        name = f"{one_line(event.run.arm.target.model)} {event.run.test}"
        so_far = f"{self._passes} of {self._replies} passed" if self._replies else "no reply yet"
        left = self._missing - self._ended
        return f"{name}: {so_far}, {left} to come{self._remaining(left, event)}"

    def _begin(self, event: Asking) -> None:
        self._passes = self._replies = self._ended = 0
        self._missing = event.missing
        self._began = time.monotonic()
        probe = event.run.arm.task
        assert isinstance(probe, Probe)
        for record in event.run.trials:
            self._add(probe, record)

    def _add(self, probe: Probe, record: TrialRecord) -> None:
        if isinstance(record.trial, Completed):
            self._replies += 1
            self._passes += graded_reply(probe, record.sequence, record.trial).passed

    def _remaining(self, left: int, event: Asking | ReplyEnded) -> str:
        if isinstance(event, Asking):
            together = f", {event.batch_size} at a time" if event.batch_size > 1 else ""
            return f" (at most {_budget(event.run):,} tokens each{together}){_resumed(event)}"
        spent = time.monotonic() - self._began
        return f", about {duration(spent / self._ended * left)} left" if left else ""


def _budget(run: Run) -> int:
    assert isinstance(run.arm.task, Probe)
    return run.arm.task.token_budget


def _resumed(event: Asking) -> str:
    kept = sum(isinstance(record.trial, Completed) for record in event.run.trials)
    return f"; goes on with {kept} kept replies of {event.run.run_id}" if kept else ""
