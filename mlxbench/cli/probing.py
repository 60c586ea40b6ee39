"""From the probe's options to arms, and from its runs to a table or a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxbench import acrostic, registry
from mlxbench.acrostic import Suite
from mlxbench.cli.display import stderr
from mlxbench.cli.expecting import expected_rate, here, probe_line
from mlxbench.cli.measuring import measure_all, summaries
from mlxbench.cli.output import console, print_json, print_warnings
from mlxbench.cli.parameters import store_path
from mlxbench.cli.reach import SERVERS
from mlxbench.cli.routing_options import routings
from mlxbench.cli.timing import command_line
from mlxbench.cli.timing_options import Settings
from mlxbench.records import (
    Arm,
    Message,
    Options,
    Probe,
    Question,
    Sampler,
    Target,
    Timed,
)
from mlxbench.report import probe_document, probe_tables
from mlxbench.report.probes import graded
from mlxbench.report.safe import one_line
from mlxbench.report.verdicts import beside
from mlxbench.store import Store

FOMO_SAMPLES = 20
# Qwen's own advice for the two modes: temperature, top-p, top-k.
THINKING, NOT_THINKING = Sampler(0.6, 0.95, 20), Sampler(0.7, 0.8, 20)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, apart from models and machines."""

    suite: str
    prompt: str
    samples: int | None
    token_budget: int
    thinking: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int = 0
    batch_size: int | None = None


def probe_models(
    models: tuple[str, ...],
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
    engine: str,
    synthetic: bool,
    no_rate: bool,
    budget: float,
    afresh: bool,
    url: str | None,
    allow_remote: bool,
    unload: bool,
    **asked: Any,
) -> None:
    """Measure, then print; exit code 1 when replies are missing."""
    routing = {name: asked.pop(name) for name in ("experts", "ban", "pin", "promote", "bias_on")}
    settings = Settings(
        models=models,
        synthetic=synthetic,
        layers=None,
        models_file=models_file,
        db=db,
        trials=None,
        warmup=None,
        budget=budget,
        as_json=as_json,
        engine=engine,
        url=url,
        allow_remote=allow_remote,
        unload=unload,
        tokenizers=False,
        afresh=afresh,
    )
    tasks = list(probes(Asked(**asked)))
    options = [Options(routing=one) for one in routings(**routing)]
    with_rate = not no_rate and engine not in SERVERS

    def arms(target: Target) -> Sequence[Arm]:
        return [
            Arm(target, task, one)
            for one in options
            for task in ([Timed("decode")] if with_rate else []) + tasks
        ]

    _announce(settings, tasks)
    measured = measure_all(settings, arms, command_line())
    show([summary.run.run_id for summary in measured], settings)


def _announce(settings: Settings, tasks: Sequence[Probe]) -> None:
    """How long it may take, on stderr, before anything is loaded."""
    known, machine = registry.load(settings.models_file), here()
    with Store.open(store_path(settings.db)) as store:
        for name in dict.fromkeys(settings.models):
            spec = known.get(name)
            expected = expected_rate(spec, name, settings.engine, store, machine)
            for task in tasks:
                stderr.print(one_line(probe_line(name, task, expected)))


def probes(asked: Asked) -> Iterator[Probe]:
    """A task for each suite and way of thinking that was asked for."""
    ways: dict[str | None, list[bool | None]] = {
        "on": [True],
        "off": [False],
        "both": [True, False],
        None: [None],
    }
    suites = [one for one in acrostic.SUITES if asked.suite in (one, "all")]
    for thinking in ways[asked.thinking]:
        sampler = sampler_for(asked, thinking)
        for suite in suites:
            yield Probe(
                suite,
                questions(suite, asked.prompt),
                _samples(asked.samples, suite, sampler),
                sampler,
                asked.token_budget,
                thinking,
                asked.batch_size,
            )


def questions(suite: Suite, prompt: str) -> tuple[Question, ...]:
    """The items of a suite as they are asked; of fomo, one of its two prompts."""
    items = acrostic.suite(suite)
    if suite == "fomo":
        items = (acrostic.item(f"fomo-{prompt}"),)
    return tuple(map(as_question, items))


def as_question(item: acrostic.Item) -> Question:
    """An item as it is put to a model."""
    return Question(item.name, item.phrase, (Message("user", item.prompt),))


def sampler_for(asked: Asked, thinking: bool | None) -> Sampler:
    """Qwen's advice for the mode, but for what was said otherwise."""
    advised = NOT_THINKING if thinking is False else THINKING
    temperature = advised.temperature if asked.temperature is None else asked.temperature
    if temperature == 0:
        return Sampler(seed=asked.seed)
    return Sampler(
        temperature,
        advised.top_p if asked.top_p is None else asked.top_p,
        advised.top_k if asked.top_k is None else asked.top_k,
        asked.seed,
    )


def _samples(wanted: int | None, suite: str, sampler: Sampler) -> int:
    """Greedy replies are all the same one."""
    if sampler.greedy:
        if (wanted or 1) > 1:
            stderr.print("greedy replies do not differ: one for each item", style="yellow")
        return 1
    return wanted or (FOMO_SAMPLES if suite == "fomo" else 1)


def show(run_ids: Sequence[str], settings: Settings) -> None:
    """Print what the runs of one command found; exit code 1 when replies are missing."""
    with Store.open(store_path(settings.db), create=False) as store:
        found = summaries(store, run_ids)
        probes = [one.run.run_id for one in found if isinstance(one.run.arm.task, Probe)]
        results = [graded(store.run(run_id)) for run_id in probes]
    rows = [(result, beside(result.run, found)) for result in results]
    if settings.as_json:
        documents = [probe_document.document(result, rate) for result, rate in rows]
        more = probe_document.comparisons(results)
        print_json({"probe": documents[0] if len(documents) == 1 else documents, **more})
    else:
        published = registry.references(registry.load(settings.models_file))
        for part in probe_tables.report(rows, published):
            console().print(part)
        print_warnings(found)
    if any(result.missing for result in results):
        raise SystemExit(1)
