"""`mlxbench probe experts`: routing logs, and the test of what they seem to show."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from mlxbench import acrostic, lock, registry
from mlxbench.cli.display import measuring
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.measuring import Latest, both
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.probing import THINKING, as_question
from mlxbench.cli.targets import Request, resolve
from mlxbench.cli.timing import command_line
from mlxbench.errors import InputError
from mlxbench.measure import Job, Session
from mlxbench.measure.experts import Discovery, Log, arms, discover_experts, halves, logs
from mlxbench.measure.memory import refuse_unless_it_fits
from mlxbench.measure.opening import Opened
from mlxbench.measure.runs import loaded, measure_job, predicted_bytes
from mlxbench.records import Arm, Probe, Question, Sampler
from mlxbench.report import experts as report
from mlxbench.report.probes import ProbeResult, graded
from mlxbench.store import Store

COLUMNS = ("item", "layer", "expert", "count", "share")


def log_experts(
    models: tuple[str, ...],
    output: Path | None,
    discover: int | None,
    token_budget: int,
    poems: int | None,
    seed: int,
    synthetic: bool,
    models_file: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Log, and test if asked to; the log's file is proved writable before anything is loaded."""
    if len(models) != 1:
        raise InputError(f"{len(models)} models were named", "log the experts of one at a time")
    if output is not None:
        _write(output, [])
    target = resolve(Request(models[0], synthetic), registry.load(models_file))
    pairs = _poems()[:poems]
    train, test = halves([poem for poem, _ in pairs])
    sampler = Sampler(THINKING.temperature, THINKING.top_p, THINKING.top_k, seed)
    budget = 1 if discover is None else token_budget  # a log generates nothing
    base = Arm(target, Probe("heldout", test, 1, sampler, budget))
    path = store_path(db)
    latest = Latest(path)
    with (
        lock.accelerator_lock(),
        Store.open(path) as store,
        prompt_exit(latest.abort),
        measuring() as show,
    ):
        session = Session(store, command_line(), both(latest.follow, show))
        predicted = predicted_bytes(target, [Job(base)])
        refuse_unless_it_fits(target.model, predicted)
        with loaded(target, predicted, session) as opened:
            logged = logs(opened, pairs, session)
            if output is not None:
                _write(output, [one for pair in logged for one in pair])
            if discover is None:
                found, results = discover_experts(logged, report.SHOWN), {}
            else:
                known = {question.item for question in train}
                found = discover_experts(
                    [pair for pair in logged if pair[0].item in known], discover
                )
                results = _scored(opened, base, found, session)
    _show(found, results, as_json)


def _poems() -> list[tuple[Question, Question]]:
    """Each held-out poem, with the same lines shuffled."""
    shuffled = {one.pair: one for one in acrostic.suite("controls") if one.kind == "shuffled"}
    return [
        (as_question(poem), as_question(shuffled[poem.name]))
        for poem in acrostic.suite("heldout")
        if poem.name in shuffled
    ]


def _scored(
    opened: Opened, base: Arm, found: Discovery, session: Session
) -> dict[str, ProbeResult]:
    """The result of each arm on the other half of the poems, by the arm's name."""
    return {
        name: graded(session.store.run(measure_job(opened, Job(arm), session)))
        for name, arm in arms(base, found).items()
    }


def _write(path: Path, logs: Sequence[Log]) -> None:
    """The logs as rows, an expert each. Raises InputError where the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for one in logs:
                for (layer, expert), share in one.shares().items():
                    row = one.counts[layer]
                    assert row is not None
                    writer.writerow((one.item, layer, expert, row[expert], f"{share:.6g}"))
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror})", "choose another place with --output"
        ) from error


def _show(found: Discovery, results: dict[str, ProbeResult], as_json: bool) -> None:
    """Print what was found; exit code 1 when replies are missing or the identity control failed."""
    if as_json:
        print_json({"experts": report.document(found, results)})
    else:
        for part in report.report(found, results):
            console().print(part)
    missing = any(result.missing for result in results.values())
    if results and (missing or not report.identical(results)):
        raise SystemExit(1)
