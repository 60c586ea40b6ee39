"""Many trials of one arm, and several arms beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlxbench.records.models import Checkpoint
from mlxbench.records.tasks import Arm, Generate
from mlxbench.records.trials import Notice, TrialRecord

RunStatus = Literal["running", "done", "failed", "aborted"]
Metric = Literal["decode", "median-gap", "prefill", "ttft"]
# What tells two machines apart whose rates must not be taken for one measurement repeated: one chip
# is sold with several numbers of cores, and the same MLX computes on its CPU too.
MACHINE_FIELDS = ("machine", "cpu", "accelerator", "accelerator_backend", "accelerator_cores")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the measurement ran on, by allow-list: no secrets, names or serial numbers."""

    os: str | None = None
    os_version: str | None = None
    machine: str | None = None
    cpu: str | None = None
    cpu_cores: int | None = None
    memory_bytes: int | None = None
    accelerator: str | None = None
    accelerator_backend: str | None = None
    accelerator_cores: int | None = None
    accelerator_memory_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    load_1m: float | None = None
    power_source: str | None = None
    low_power_mode: bool | None = None
    thermal_level: int | None = None
    memory_pressure_level: int | None = None
    swap_used_bytes: int | None = None
    accelerator_utilisation: float | None = None
    cpu_governor: str | None = None


def machine_key(environment: Environment) -> tuple[object, ...]:
    """What is equal for two environments exactly where they are one kind of machine."""
    return tuple(getattr(environment, name) for name in MACHINE_FIELDS)


@dataclass(frozen=True, slots=True)
class Run:
    """One arm measured once: everything needed to read its trials later.

    `load_s` is the time to load, apart from any trial. `resident` names the other models that were
    in memory meanwhile. `predicted_memory_bytes` was computed before the load, for all of them
    together, as the peak memory of a trial is measured for all of them.
    """

    run_id: str
    created_utc: str
    command: str
    arm: Arm
    workload: str
    environment: Environment
    checkpoint: Checkpoint | None = None
    status: RunStatus = "running"
    load_s: float | None = None
    predicted_memory_bytes: int | None = None
    resident: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    trials: tuple[TrialRecord, ...] = ()

    @property
    def test(self) -> str:
        """The short name of what was run: a task's label; a chat's workload."""
        task = self.arm.task
        return self.workload if isinstance(task, Generate) else task.label


@dataclass(frozen=True, slots=True)
class ComparedSession:
    """One session of a comparison: everything loaded once, arms interleaved round by round.

    `run_ids` has a run for each arm, in the order of the arms. `rounds[i]` is the order in which
    the arms ran in round i, as indices; the i-th measured trial of each run belongs to it.
    `planned` rounds were fixed beforehand. `failure` says why the session is of no use.
    """

    run_ids: tuple[str, ...] = ()
    rounds: tuple[tuple[int, ...], ...] = ()
    planned: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms measured against the first of them; its trials are those of the sessions' runs.

    With `null`, the last arm is the first one again: what differs between those two is noise.
    `alternating` arms did not fit into memory together: each session ran one after the other.
    `confirmation` is the session that repeated the best of several arms on fresh pairs.
    """

    comparison_id: str
    created_utc: str
    command: str
    metric: Metric
    arms: tuple[Arm, ...]
    seed: int
    budget_s: float
    null: bool = False
    alternating: bool = False
    status: RunStatus = "running"
    sessions: tuple[ComparedSession, ...] = ()
    confirmed_arm: int | None = None
    confirmation: ComparedSession | None = None
    notices: tuple[Notice, ...] = ()
