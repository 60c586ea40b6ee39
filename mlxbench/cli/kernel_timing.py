"""What `mlxbench kernels bench` and `decode` do: time what passed its check, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlxbench import engines, lock, registry
from mlxbench.cli.comparing import following
from mlxbench.cli.display import live_line
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.targets import Request, resolve
from mlxbench.cli.timing import command_line
from mlxbench.engines.mlx import MlxLoaded
from mlxbench.engines.mlx.kernels import provided
from mlxbench.errors import InputError, MeasurementError
from mlxbench.lab import backends, bandwidth, bench_engine
from mlxbench.lab.backends import Backend
from mlxbench.lab.bench_engine import CHAIN
from mlxbench.lab.checking import check
from mlxbench.lab.discovery import Found, discover, pick
from mlxbench.lab.swapping import ORACLE, Swap, installers
from mlxbench.lab.trying import Tried, try_out
from mlxbench.measure.comparing import Design, compare
from mlxbench.records import Arm, Options, Target, Timed
from mlxbench.report import comparison, kernel_timing
from mlxbench.store import Store
from mlxbench.text import exact_prompt

TRIED_TOKENS, TRIED_PROMPT = 8, 16


def bench_experiments(
    names: Sequence[str],
    backend: str,
    folder: Path | None,
    budget: float,
    db: Path | None,
    as_json: bool,
) -> None:
    """Check, measure the memory's bandwidth, then compare every way of each experiment."""
    runner = backends.choose(backend)
    documents = []
    path = store_path(db)
    with (
        lock.accelerator_lock(),
        Store.open(path) as store,
        prompt_exit(lambda: None),
        engines.registered(bench_engine.NAME, bench_engine.__name__),
    ):
        measured = bandwidth.measure()
        for found in pick(discover(folder), tuple(names)):
            _refuse_wrong(found, runner)
            arms = [_bench_arm(found, way) for way in bench_engine.ways(found, runner)]
            read = None
            if len(arms) > 1:
                design = Design("decode", budget_s=budget, command=command_line())
                with following() as show:
                    read = comparison.read(store, compare(arms, design, store, show))
            benched = kernel_timing.benched(found, runner.verified_by, measured, read)
            documents.append(benched.document())
            if not as_json:
                for part in benched.report():
                    console().print(part)
    if as_json:
        print_json(documents[0] if len(documents) == 1 else {"bench": documents})


def decode_with_kernels(
    model: str,
    with_kernels: Sequence[str],
    backend: str,
    folder: Path | None,
    generation_tokens: int,
    budget: float,
    oracle: bool,
    models_file: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Try each kernel, and all together, in the model; then time what can be timed."""
    chosen = pick(discover(folder), tuple(with_kernels))
    runner = backends.choose(backend)
    swaps = [Swap(found, runner) for found in chosen]
    sets = [[swap] for swap in swaps] + ([swaps] if len(swaps) > 1 else [])
    target = resolve(Request(model), registry.load(models_file))
    path = store_path(db)
    with (
        lock.accelerator_lock(),
        Store.open(path) as store,
        prompt_exit(lambda: None),
        provided(installers(swaps)),
    ):
        tried = _tried(target, sets)
        read = None
        timed = [one for one in sets if all(_can_be_timed(swap, runner) for swap in one)]
        arms = _decode_arms(target, timed, generation_tokens, oracle)
        if len(arms) > 1:
            design = Design("decode", budget_s=budget, command=command_line())
            with following() as show:
                read = comparison.read(store, compare(arms, design, store, show))
    result = kernel_timing.decoded(sets, timed, tried, runner.verified_by, read)
    if as_json:
        print_json(result.document())
        return
    for part in result.report():
        console().print(part)


def _refuse_wrong(found: Found, runner: Backend) -> None:
    """Raises MeasurementError for an experiment that fails its check: such a one has no timing."""
    with live_line() as show:
        show(f"checking {found.experiment.name} …", True)
        for one in check(found, runner, lambda what: show(f"checking {what} …", False)):
            if not one.passed:
                raise MeasurementError(
                    f"{one.kernel} fails its check ({one.case}, {one.dtype}: {one.finding})",
                    f"correct it, see `mlxbench kernels check {one.kernel}`",
                )


def _bench_arm(found: Found, way: str) -> Arm:
    name = f"{found.experiment.name}/{way}"
    return Arm(Target(bench_engine.NAME, name, str(found.folder)), Timed("decode", 1, CHAIN + 1))


def _can_be_timed(swap: Swap, runner: Backend) -> bool:
    return runner.times or not swap.found.experiment.kernels


def _decode_arms(
    target: Target, sets: Sequence[Sequence[Swap]], tokens: int, oracle: bool
) -> list[Arm]:
    """Stock first, then each set of kernels that can be timed, then the oracle."""
    if not sets:
        return []
    names = [(), *(tuple(swap.found.label for swap in one) for one in sets)]
    if oracle:
        names.append((ORACLE,))
    task = Timed("decode", generation_tokens=tokens)
    return [Arm(target, task, Options(kernels=one)) for one in names]


def _tried(target: Target, sets: Sequence[Sequence[Swap]]) -> list[Tried]:
    """Each set over a few greedy tokens, in a load of its own."""
    loaded = engines.engine("mlx").open(target)
    if not isinstance(loaded, MlxLoaded):
        raise InputError("kernels run in process only", "leave out the server")
    try:
        tokenizer = loaded.tokenizer
        prompt = exact_prompt(tokenizer.encode, tokenizer.decode, TRIED_PROMPT, 0).tokens
        found = []
        with live_line() as show:
            for one in sets:
                names = " + ".join(swap.found.experiment.name for swap in one)
                show(f"{names}: {TRIED_TOKENS} greedy tokens …", True)
                found.append(try_out(loaded.model, prompt, one, TRIED_TOKENS))
        return found
    except RuntimeError as error:  # how mlx says no
        raise MeasurementError(
            f"a kernel failed in the model ({str(error).splitlines()[0][:200]})", "check it first"
        ) from error
    finally:
        loaded.close()
