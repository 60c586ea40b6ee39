"""Say how long the lab note's table will take, measure its rows, and print it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxbench import lock, registry
from mlxbench.cli.display import measuring, stderr
from mlxbench.cli.expecting import Expected, expected_rate, here
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.measuring import Latest, both, summaries
from mlxbench.cli.output import console, print_json, print_warnings
from mlxbench.cli.parameters import store_path
from mlxbench.cli.probing import Asked, questions, sampler_for
from mlxbench.cli.reach import SERVERS, Reach
from mlxbench.cli.servers import server_target
from mlxbench.cli.targets import Request, resolve
from mlxbench.cli.timing import command_line
from mlxbench.errors import HubError, MlxbenchError
from mlxbench.measure import Session
from mlxbench.measure.lab_note import PLAN, TASK, Found, Row, measure_rows
from mlxbench.records import Probe, Reference, Target
from mlxbench.registry import ModelSpec
from mlxbench.report import lab_note as report
from mlxbench.report.format import MISSING, duration, rate
from mlxbench.report.lab_note import NoteRow
from mlxbench.report.terminal import table, text
from mlxbench.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row as it was asked for, before anything is looked for or loaded."""

    name: str
    engine: str
    spec: ModelSpec | None


def run_lab_note(
    models: tuple[str, ...],
    engines: tuple[str, ...],
    samples: int,
    token_budget: int,
    prompt: str,
    synthetic: bool,
    budget: float,
    afresh: bool,
    url: str | None,
    allow_remote: bool,
    unload: bool,
    models_file: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Measure and print; exit code 1 when a part could not be measured."""
    known = registry.load(models_file)
    wanted = [
        Wanted(name, engine, known.get(name))
        for name in dict.fromkeys(models)
        for engine in engines
    ]
    sampler = sampler_for(Asked("fomo", prompt, samples, token_budget), None)
    probe = Probe("fomo", questions("fomo", prompt), samples, sampler, token_budget)
    path, reach = store_path(db), Reach(url, allow_remote, unload)
    latest = Latest(path)
    with Store.open(path) as store, prompt_exit(latest.abort):
        _announce(wanted, probe, budget, store)
        targets = [(one, _target(one, known, reach, synthetic)) for one in wanted]
    with lock.accelerator_lock(), Store.open(path) as store, prompt_exit(latest.abort):
        rows = [Row(target, probe, budget) for _, target in targets if isinstance(target, Target)]
        with measuring() as show:
            session = Session(store, command_line(), both(latest.follow, show), afresh)
            found = {one.row.target: one for one in measure_rows(rows, session)}
        table_rows = [_note_row(one, target, found, store) for one, target in targets]
    if as_json:
        print_json({"lab_note": [report.document(row) for row in table_rows]})
    else:
        for part in report.report(table_rows):
            console().print(part)
        print_warnings([summary for row in table_rows for summary in row.summaries])
    if any(row.failure or row.incomplete for row in table_rows):
        raise SystemExit(1)


def _announce(wanted: Sequence[Wanted], probe: Probe, budget: float, store: Store) -> None:
    """How long each row may take at most, on stderr, before anything is loaded."""
    machine = here()
    made = table("model", "engine", "tok/s expected", "at most", right=("at most",))
    total = 0.0
    for one in wanted:
        expected = expected_rate(one.spec, one.name, one.engine, store, machine)
        seconds = most_seconds(expected, probe) + budget if expected else None
        total += seconds or 0.0
        known = f"{rate(expected.tps)} ({expected.source})" if expected else MISSING
        made.add_row(
            text(one.name), one.engine, known, duration(seconds) if seconds else "not known"
        )
    stderr.print(made)
    stderr.print(
        f"at most {duration(total)} for what is known; less where replies end before their budget "
        f"of {probe.token_budget:,} tokens, are decoded together, or are measured already"
    )


def most_seconds(expected: Expected, probe: Probe) -> float:
    """An upper bound of the time to generate: every reply at its whole budget, one by one."""
    note = (PLAN.warmup or 0) + (PLAN.trials or 0)
    tokens = note * TASK.token_budget + probe.replies * probe.token_budget
    return tokens / expected.tps


def _target(
    wanted: Wanted, known: dict[str, ModelSpec], reach: Reach, synthetic: bool
) -> Target | str:
    """What to open; or why there is nothing, so that the other rows can still be measured."""
    try:
        if wanted.engine in SERVERS:
            return _served(wanted, known, reach)
        return resolve(Request(wanted.name, synthetic), known)
    except MlxbenchError as error:
        return str(error)


def _served(wanted: Wanted, known: dict[str, ModelSpec], reach: Reach) -> Target:
    """A server's model; its tokenizer, for exact prompts, is taken where it can be had."""
    try:
        return server_target(wanted.engine, wanted.name, known, reach)
    except HubError:
        return server_target(wanted.engine, wanted.name, known, reach, without_tokenizer=True)


def _note_row(
    wanted: Wanted, target: Target | str, found: dict[Target, Found], store: Store
) -> NoteRow:
    published = next(_published(wanted), None)
    if isinstance(target, str):
        return NoteRow(wanted.name, wanted.engine, published, failure=target)
    row = found[target]
    return NoteRow(
        wanted.name,
        wanted.engine,
        published,
        tuple(summaries(store, row.run_ids)),
        report.probe_of(store, row.run_ids),
        row.failure,
    )


def _published(wanted: Wanted) -> Iterator[Reference]:
    references = wanted.spec.references if wanted.spec else ()
    return (one for one in references if one.workload == "lab-note")
