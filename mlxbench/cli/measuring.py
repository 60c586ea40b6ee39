"""Measure arms under the accelerator's lock, into the store, watched on stderr."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from mlxbench import lock, registry
from mlxbench.cli.display import measuring
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.parameters import store_path
from mlxbench.cli.reach import SERVERS, Reach
from mlxbench.cli.servers import server_target
from mlxbench.cli.targets import Request, refuse_early, resolve
from mlxbench.cli.timing_options import Settings
from mlxbench.errors import InputError
from mlxbench.measure import Asking, Event, Job, Plan, Session, Started, TrialEnded, measure
from mlxbench.records import Arm, Failed, Probe, Target, TrialRecord
from mlxbench.registry import ModelSpec
from mlxbench.report.summary import Summary, summarise
from mlxbench.store import Store

Found = TypeVar("Found")


def measure_all(
    settings: Settings, arms: Callable[[Target], Sequence[Arm]], command: str
) -> list[Summary]:
    """One summary per arm, in the order of models and arms."""
    return in_session(
        settings,
        arms,
        command,
        lambda jobs, session: summaries(session.store, measure(jobs, session)),
    )


def in_session(
    settings: Settings,
    arms: Callable[[Target], Sequence[Arm]],
    command: str,
    work: Callable[[Sequence[Job], Session], Found],
) -> Found:
    """What `work` makes of the jobs, under the accelerator's lock and watched on stderr.

    The store is opened, and proved writable, before anything is loaded.
    """
    models = registry.load(settings.models_file)
    path = store_path(settings.db)
    latest = Latest(path)
    names = list(dict.fromkeys(settings.models))
    with Store.open(path) as store, prompt_exit(latest.abort):
        if settings.engine in SERVERS:
            targets = [_served(settings, name, models) for name in names]
        elif settings.reach != Reach():
            raise InputError(
                "--url, --allow-remote and --unload are for servers",
                "add --engine ollama or --engine openai, or leave them out",
            )
        else:
            targets = _local_targets(settings, names, models, arms)
    with lock.accelerator_lock(), Store.open(path) as store, prompt_exit(latest.abort):
        plan = Plan(settings.trials, settings.warmup, settings.budget)
        with measuring() as show:
            follow = both(latest.follow, show)
            session = Session(store, command, follow, settings.afresh)
            jobs = [Job(arm, plan, settings.workload) for target in targets for arm in arms(target)]
            return work(jobs, session)


def _served(settings: Settings, name: str, models: dict[str, ModelSpec]) -> Target:
    """A server's target; where no exact prompts are wanted, no tokenizer is fetched for it."""
    if settings.synthetic or settings.layers is not None:
        raise InputError(
            f"--engine {settings.engine} measures what the server holds",
            "leave out --synthetic and --layers, or export such a checkpoint for the server first",
        )
    return server_target(
        settings.engine,
        name,
        models,
        settings.reach,
        without_tokenizer=not settings.tokenizers,
    )


def _local_targets(
    settings: Settings,
    names: Sequence[str],
    models: dict[str, ModelSpec],
    arms: Callable[[Target], Sequence[Arm]],
) -> list[Target]:
    """In-process targets; each is refused before any is fetched if it cannot fit."""
    requests = [Request(name, settings.synthetic, settings.layers) for name in names]
    for request in requests:
        refuse_early(request, models, arms)
    return [resolve(request, models) for request in requests]


def summaries(store: Store, run_ids: Sequence[str]) -> list[Summary]:
    """Whole runs with their estimates, in the order of `run_ids`."""
    facts = store.trial_facts(run_ids)
    return [summarise(store.run(run_id), facts[run_id]) for run_id in run_ids]


class Latest:
    """Which trial is under way, for the thread that ends a process stuck inside the device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._run_id: str | None = None
        self._sequence = 0

    def follow(self, event: Event) -> None:
        if isinstance(event, Started | Asking):
            self._run_id, self._sequence = event.run.run_id, 0
        elif isinstance(event, TrialEnded):
            self._sequence = event.record.sequence + 1

    def abort(self) -> None:
        """Record the trial under way as aborted, over a connection of this thread's own."""
        if self._run_id is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        trial = Failed("aborted", "interrupted by Ctrl-C inside an evaluation")
        with Store.open(self._path, create=False) as store:
            run = store.run(self._run_id)
            if run.status != "running":
                return
            probing = isinstance(run.arm.task, Probe)  # what is under way there is asked again
            if not probing and len(run.trials) == self._sequence:
                store.add_trial(run.run_id, TrialRecord(self._sequence, "measured", now, trial))
            store.finish_run(run.run_id, "aborted", run.notices)


def both(
    first: Callable[[Event], None], second: Callable[[Event], None]
) -> Callable[[Event], None]:
    """A handler that hands each event to two."""

    def handle(event: Event) -> None:
        first(event)
        second(event)

    return handle
