"""What a measurement is given, and what it tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlxbench.measure.plan import UNTIL_PRECISE, Plan, Progress
from mlxbench.records import Arm, Run, RunStatus, Target, TrialRecord
from mlxbench.store import Store


@dataclass(frozen=True, slots=True)
class Loading:
    """A model is about to be loaded; with its largest arm it will need `predicted_bytes`."""

    target: Target
    predicted_bytes: int | None


@dataclass(frozen=True, slots=True)
class Started:
    """An arm is about to run its first trial."""

    run: Run


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial was committed."""

    run: Run
    record: TrialRecord
    progress: Progress


@dataclass(frozen=True, slots=True)
class Asking:
    """A probe is about to ask what is missing: `missing` replies, `batch_size` at a time.

    `run` holds the replies that are there already, of an earlier, broken off command.
    """

    run: Run
    missing: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A probe's reply was committed."""

    run: Run
    record: TrialRecord


@dataclass(frozen=True, slots=True)
class Logging:
    """The experts of a prompt are about to be counted: prompt `number` of `total`."""

    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An arm has all its trials, or will get no more."""

    run: Run
    status: RunStatus


Event = Loading | Started | TrialEnded | Asking | ReplyEnded | Logging | Finished


@dataclass(frozen=True, slots=True)
class Job:
    """An arm to be measured, under the name of a workload; the plan is for a timed one."""

    arm: Arm
    plan: Plan = UNTIL_PRECISE
    workload: str = "standard"


@dataclass(frozen=True, slots=True)
class Session:
    """What a measurement needs besides its jobs.

    A probe goes on where an equal one was broken off, unless `afresh`.
    """

    store: Store
    command: str
    on_event: Callable[[Event], None]
    afresh: bool = False
