"""Test claims under the lock: say how long it may take, measure each, and print the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlxbench import environment, lock, registry
from mlxbench.claims import (
    CLAIMS,
    Claim,
    Evidence,
    Part,
    Passes,
    Setup,
    Shown,
    Subject,
    Use,
    pick,
)
from mlxbench.cli.claims_announcing import (
    RATE_TRIALS,
    announce,
    announce_made,
    announce_nothing,
    announce_replies,
)
from mlxbench.cli.claims_subject import (
    Asked,
    counted,
    named_models,
    named_recipes,
    rehearsed,
    subject,
    swaps_at_hand,
)
from mlxbench.cli.comparing import following
from mlxbench.cli.display import measuring, stderr
from mlxbench.cli.expecting import Expected, expected_rate
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.measuring import Latest, both, summaries
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.probing import THINKING, questions
from mlxbench.cli.timing import command_line
from mlxbench.errors import InputError, MeasurementError, MlxbenchError
from mlxbench.measure import Job, Plan, Session, measure
from mlxbench.measure.comparing import Design, compare
from mlxbench.measure.lab_note import done
from mlxbench.records import Arm, Environment, Probe, Timed
from mlxbench.report import claims as report
from mlxbench.report import comparison
from mlxbench.report.claims import Outcome
from mlxbench.report.probes import graded
from mlxbench.stats import Estimate
from mlxbench.store import Store
from mlxbench.synthetic import Recipe

BUDGET_ON_CPU_S, BUDGET_S = 6.0, 30.0
OPTIONS: Mapping[Use, str] = {
    "depths": "--depth",
    "prompts": "--prompt-tokens",
    "replies": "--probe",
}


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every experiment needs besides its claim. `probe` is `None` where none was asked for."""

    subject: Subject
    store: Store
    design: Design
    latest: Latest
    probe: Probe | None


def run_claims(
    names: tuple[str, ...],
    models: tuple[str, ...],
    synthetic: bool,
    budget: float | None,
    depths: tuple[int, ...] | None,
    prompts: tuple[int, ...] | None,
    probe: bool,
    samples: int,
    token_budget: int,
    models_file: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Measure and print; exit code 1 when an experiment could not be measured."""
    chosen, known = pick(names), registry.load(models_file)
    _refuse_unused(chosen, {"depths": depths, "prompts": prompts, "replies": probe})
    here = environment.collect()
    on_cpu = here.accelerator_backend == "cpu"
    seconds = budget or (BUDGET_ON_CPU_S if on_cpu else BUDGET_S)
    asked, path = Asked(models, synthetic, depths, prompts), store_path(db)
    design = Design("decode", budget_s=seconds, command=command_line())
    latest = Latest(path)
    poem = Probe("fomo", questions("fomo", "script"), samples, THINKING, token_budget)
    Store.open(path).close()  # proves that it can be written before anything is fetched
    announce_made(named_recipes(asked, known))
    on_this_disk = named_models(asked, known)
    with (
        lock.accelerator_lock(),
        Store.open(path) as store,
        prompt_exit(latest.abort),
        swaps_at_hand() as swaps,
    ):
        tested = subject(asked, on_this_disk, on_cpu, swaps)
        bench = _Bench(tested, store, design, latest, poem if _answers(tested, probe) else None)
        _announce(
            chosen, bench, lambda name: expected_rate(known.get(name), name, "mlx", store, here)
        )
        outcomes = _outcomes(chosen, bench, here, as_json)
    if as_json:
        print_json(report.document(outcomes, here, _names(tested), _random(tested)))
    else:
        _show(outcomes, tested, here)
    if any(one.verdict == report.NOT_MEASURED for one in outcomes):
        raise SystemExit(1)


def _refuse_unused(chosen: Sequence[Claim], wishes: Mapping[Use, object]) -> None:
    """Raises InputError for a wish that none of the claims has an ear for."""
    for wish, given in wishes.items():
        if given and not any(wish in claim.uses for claim in chosen):
            used = " or ".join(claim.name for claim in CLAIMS if wish in claim.uses)
            raise InputError(
                f"{OPTIONS[wish]} changes nothing about {', '.join(one.name for one in chosen)}",
                f"leave it out, or test {used} as well",
            )


def _outcomes(
    chosen: Sequence[Claim], bench: _Bench, here: Environment, as_json: bool
) -> list[Outcome]:
    """One for each claim; whatever breaks it off, those that are there are shown to people."""
    outcomes: list[Outcome] = []
    try:
        for number, claim in enumerate(chosen, 1):
            stderr.print(f"{claim.name} ({number} of {len(chosen)})")
            outcomes.append(_tested(claim, bench))
    finally:
        if outcomes and len(outcomes) < len(chosen) and not as_json:
            _show(outcomes, bench.subject, here)
    return outcomes


def _tested(claim: Claim, bench: _Bench) -> Outcome:
    """Measure one claim's experiment; what goes wrong in a part leaves the other parts."""
    if why := claim.unfit(bench.subject):
        return Outcome(claim, unfit=f"Does not apply: {why}.")
    failures: list[str] = []
    try:
        setup = _counted(claim, claim.setup(bench.subject))
    except MlxbenchError as error:
        return Outcome(claim, failure=str(error))
    shown: dict[str, Shown] = {}
    for part in setup.parts:
        with _noted(part.name, failures):
            shown[part.name] = _compared(part, bench)
    runs: dict[str, str] = {}
    rates: dict[str, Estimate] = {}
    for name, arm in setup.rates.items():
        with _noted(name, failures):
            runs[name], rates[name] = _rate(arm, bench)
    probes: dict[str, Passes] = {}
    if bench.probe:
        with _noted("replies", failures):
            probes = _probed(claim.probes(bench.subject, bench.probe), bench)
    judgement = claim.judge(Evidence(setup, shown, probes, rates))
    if judgement is None and not failures:
        failures.append("too few usable pairs: raise --budget, or see the comparisons.")
    return Outcome(
        claim,
        judgement,
        tuple(one.comparison_id for one in shown.values()),
        tuple(runs.values()),
        failure=" ".join(failures) or None,
    )


@contextmanager
def _noted(what: str, failures: list[str]) -> Iterator[None]:
    """Note that a part could not be measured, and go on with the next one."""
    try:
        yield
    except MlxbenchError as error:
        failures.append(f"{what}: {error}.")


def _compared(part: Part, bench: _Bench) -> Shown:
    """One part as an ordinary comparison."""
    stderr.print(f"  {part.name}: {', '.join(part.arms)}")
    design = replace(bench.design, metric=part.metric)
    with following() as show:
        found = compare(list(part.arms.values()), design, bench.store, show)
    return report.shown(comparison.read(bench.store, found), part)


def _rate(arm: Arm, bench: _Bench) -> tuple[str, Estimate]:
    """A run of its own, and its decode rate."""
    with measuring() as show:
        session = Session(bench.store, bench.design.command, both(bench.latest.follow, show))
        plan = Plan(RATE_TRIALS, budget_s=bench.design.budget_s)
        (run_id,) = measure([Job(arm, plan)], session)
    (summary,) = summaries(bench.store, [run_id])
    if summary.decode_tps is None:
        raise MeasurementError(f"{run_id} has no usable trial", "see `mlxbench results show`")
    return run_id, summary.decode_tps


def _counted(claim: Claim, setup: Setup) -> Setup:
    """The setup with the kernels of its models counted, where the claim needs them."""
    if not claim.counts_kernels:
        return setup
    arms = [arm for part in setup.parts for arm in part.arms.values()]
    tasks = [arm.task for arm in (*arms, *setup.rates.values())]
    context = max(task.prompt_tokens for task in tasks if isinstance(task, Timed))
    found = {model.target: counted(model, context) for model in setup.models.values()}
    kernels = {name: found[model.target] for name, model in setup.models.items()}
    return replace(setup, models=kernels)


def _probed(arms: Mapping[str, Arm], bench: _Bench) -> dict[str, Passes]:
    """How many replies of each arm passed; what is measured already is not measured again."""
    jobs = {name: Job(arm) for name, arm in arms.items()}
    ids = {name: done(job, bench.store) for name, job in jobs.items()}
    missing = [name for name, run_id in ids.items() if run_id is None]
    with measuring() as show:
        session = Session(bench.store, bench.design.command, both(bench.latest.follow, show))
        made = measure([jobs[name] for name in missing], session)
    ids |= dict(zip(missing, made, strict=True))
    results = {name: graded(bench.store.run(run_id)) for name, run_id in ids.items() if run_id}
    return {
        name: Passes(result.passes, len(result.replies))
        for name, result in results.items()
        if result.replies
    }


def _answers(tested: Subject, wanted: bool) -> bool:
    """Whether replies are worth asking for: random weights fail every poem."""
    if wanted and _random(tested):
        stderr.print("random weights fail every poem, so none is asked for", style="yellow")
    return wanted and not _random(tested)


def _announce(
    chosen: Sequence[Claim],
    bench: _Bench,
    rate_of: Callable[[str], Expected | None],
) -> None:
    """What it will take, on stderr, before anything is loaded."""
    recipes: dict[str, Recipe] = {}
    stand_in = rehearsed(bench.subject, recipes)
    unfit = {claim.name: why for claim in chosen if (why := claim.unfit(stand_in))}
    fit = [claim for claim in chosen if claim.name not in unfit]
    if not fit:
        announce_nothing(unfit)
        return
    setups = [claim.setup(stand_in) for claim in fit]
    announce(setups, bench.design.budget_s, rate_of(stand_in.target.model))
    announce_made(recipes)
    if bench.probe:
        announce_replies([claim.probes(stand_in, bench.probe) for claim in fit], rate_of)


def _show(outcomes: Sequence[Outcome], tested: Subject, here: Environment) -> None:
    for part in report.report(outcomes, here, _names(tested), _random(tested)):
        console().print(part)


def _random(tested: Subject) -> bool:
    """Whether any of the models are random weights."""
    return any(model.target.synthetic for model in tested.models)


def _names(tested: Subject) -> list[str]:
    return [model.target.model for model in tested.models]
