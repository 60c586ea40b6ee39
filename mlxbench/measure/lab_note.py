"""The lab note's whole table again: its models on several engines, their rates and their verdicts.

Each row is one model on one engine and has three parts: the rate by the note's own procedure (the
one declared exception to how mlxbench measures: a chat prompt with a changing suffix, the server's
sampling defaults, one warm-up and the arithmetic mean of three native rates), the rate as mlxbench
measures it, and the poem, as the note's script sent it.

A part that is already measured, equal in everything and on this machine, is not measured again, so
a note that was broken off goes on with the part that it lacks. A row that cannot be had says why,
and the next one is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from mlxbench.errors import MlxbenchError
from mlxbench.measure.memory import refuse_unless_it_fits, usable_bytes
from mlxbench.measure.opening import Opened, environment_of, sharing_memory
from mlxbench.measure.plan import Plan
from mlxbench.measure.recording import recorded
from mlxbench.measure.runs import loaded, measure_job, predicted_bytes
from mlxbench.measure.session import Job, Session
from mlxbench.records import (
    Arm,
    Environment,
    Generate,
    Message,
    Probe,
    Sampler,
    Target,
    Timed,
    machine_key,
)
from mlxbench.roofline import fits
from mlxbench.store import Store

WORKLOAD = "lab-note"
PROMPT = "Explain mixture-of-experts routing in three bullets."
# Qwen's own advice for thinking mode, which are also the defaults that Ollama ships for qwen3.
SAMPLER = Sampler(temperature=0.6, top_p=0.95, top_k=20)
TASK = Generate((Message("user", PROMPT),), SAMPLER, token_budget=512, unique=True)
PLAN = Plan(trials=3, warmup=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one engine; `probe` is the poem as it is asked of every model.

    `budget_s` is for the rate as mlxbench measures it.
    """

    target: Target
    probe: Probe
    budget_s: float

    def jobs(self) -> list[Job]:
        """Its parts. A server without a tokenizer of ours cannot be asked for exact prompts."""
        served = self.target.source == "server"
        timed = Timed("request" if served else "decode")
        parts = [Job(Arm(self.target, TASK), PLAN, WORKLOAD)]
        if not served or self.target.tokenizer:
            parts.append(Job(Arm(self.target, timed), Plan(budget_s=self.budget_s)))
        return [*parts, Job(Arm(self.target, self.probe), PLAN)]


@dataclass(frozen=True, slots=True)
class Found:
    """What a row came to: the runs of its parts, those reused among them, or why there are none."""

    row: Row
    run_ids: tuple[str, ...] = ()
    failure: str | None = None


def measure_rows(rows: Sequence[Row], session: Session) -> Iterator[Found]:
    """Each row as it is complete: those of this process first, then those of servers.

    Models of this process stay loaded together where memory allows, as the note had them; they are
    gone before a server loads its own.
    """
    own = [row for row in rows if row.target.source != "server"]
    with ExitStack() as stack:
        held: dict[Target, Opened | str] = {}
        if fit_together(own):
            wanted = [row for row in own if missing(row, session)]
            held = _held_together(wanted, stack, session)
        for row in own:
            yield _measured(row, held.get(row.target), session)
    for row in rows:
        if row not in own:
            yield _measured(row, None, session)


def fit_together(rows: Sequence[Row]) -> bool:
    """Whether the models of `rows`, all of this process, are several and fit together."""
    needed = [predicted_bytes(row.target, row.jobs()) for row in rows]
    known, usable = [size for size in needed if size is not None], usable_bytes()
    if len(rows) < 2 or len(known) < len(rows) or usable is None:
        return False
    return fits(sum(known), usable)


def missing(row: Row, session: Session) -> list[Job]:
    """The parts of a row that are yet to be measured."""
    if session.afresh:
        return row.jobs()
    return [job for job in row.jobs() if done(job, session.store) is None]


def done(job: Job, store: Store) -> str | None:
    """The newest complete run of an equal job on this machine."""
    wanted, here = recorded(job.arm), _machine(environment_of(job.arm.target))
    for run in store.runs():
        equal = run.arm == wanted and run.workload == job.workload
        if equal and run.status == "done" and _machine(run.environment) == here:
            return run.run_id
    return None


def _machine(environment: Environment) -> tuple[object, ...]:
    return (*machine_key(environment), environment.versions)


def _held_together(
    rows: Sequence[Row], stack: ExitStack, session: Session
) -> dict[Target, Opened | str]:
    held = {row.target: _held(row, stack, session) for row in rows}
    there = {target: one for target, one in held.items() if isinstance(one, Opened)}
    return {**held, **sharing_memory(there)}


def _held(row: Row, stack: ExitStack, session: Session) -> Opened | str:
    """The row's target, open until `stack` ends; or why it cannot be opened."""
    predicted = predicted_bytes(row.target, row.jobs())
    try:
        return stack.enter_context(loaded(row.target, predicted, session))
    except MlxbenchError as error:
        return str(error)


def _measured(row: Row, held: Opened | str | None, session: Session) -> Found:
    if isinstance(held, str):
        return Found(row, failure=held)
    wanted = missing(row, session)
    found = {job: done(job, session.store) for job in row.jobs() if job not in wanted}
    try:
        if held is not None:
            found |= {job: measure_job(held, job, session) for job in wanted}
        elif wanted:
            predicted = predicted_bytes(row.target, row.jobs())
            refuse_unless_it_fits(row.target.model, predicted)
            with loaded(row.target, predicted, session) as opened:
                found |= {job: measure_job(opened, job, session) for job in wanted}
    except MlxbenchError as error:
        return Found(row, failure=str(error))
    return Found(row, tuple(run_id for job in row.jobs() if (run_id := found[job])))
