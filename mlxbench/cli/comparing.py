"""Run a comparison under the lock, and show what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlxbench import lock, registry, stats
from mlxbench.cli.arms import (
    Written,
    changed_task,
    needs_whole_requests,
    parse,
    refuse_unlike,
    resolve_arm,
    with_tokenizers,
)
from mlxbench.cli.display import live_line
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.reach import Reach
from mlxbench.cli.timing import command_line
from mlxbench.errors import MeasurementError
from mlxbench.measure.comparing import Design, Event, compare
from mlxbench.measure.interleaving import Turn
from mlxbench.records import Arm, Kind, Metric, Target, Timed
from mlxbench.report import comparison
from mlxbench.report import differencing as two_lengths
from mlxbench.report.format import duration
from mlxbench.report.safe import one_line
from mlxbench.store import Store

PILOT_PAIRS = 8
CHECK_PAIRS = 6
CHECK_BUDGET_S = 20.0
PLANNED_DIFFERENCES = (0.005, 0.01, 0.02, 0.05)


def compare_arms(
    texts: Sequence[str],
    metric: Metric,
    varies: Sequence[str],
    plan: bool,
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
    check: bool,
    **settings: Any,
) -> None:
    """Measure, then print; exit code 1 when there is no verdict.

    With `check`, the last arm's rate is also taken from requests of two lengths.
    """
    design = _design(metric, settings)
    if plan:
        design = Design(metric, design.seed, pairs=PILOT_PAIRS, command=design.command)
    reach = Reach(*(settings.pop(key) for key in ("url", "allow_remote", "unload")))
    written = [parse(text) for text in texts]
    kind: Kind = "request" if needs_whole_requests(written) else "decode"
    if metric in ("prefill", "ttft"):
        kind, settings["generation_tokens"] = "prefill", 1
    task = Timed(kind, **settings)
    path = store_path(db)
    tasks = [changed_task(one, task) for one in written]
    refuse_unlike(tasks, varies)
    with _lock_for(written), Store.open(path) as store, prompt_exit(lambda: None):
        models = registry.load(models_file)
        beside_local = any(one.engine == "mlx" for one in written)
        arms = with_tokenizers(
            [
                resolve_arm(one, own, models, reach, beside_local)
                for one, own in zip(written, tasks, strict=True)
            ]
        )
        with following() as show:
            found = comparison.read(store, compare(arms, design, store, show))
        if plan:
            _print_plan(store, found, as_json)
            return
        if not as_json:
            console().print(*comparison.report(found), sep="\n")
        if check and _can_be_checked(arms[-1], found):
            found = _checked(store, found, arms[-1], design)
            if not as_json:
                console().print(two_lengths.outcome(found.differencing))
        if as_json:
            print_json(comparison.document(found))
    if all(finding.verdict is None for finding in found.claims):
        raise SystemExit(1)


def _design(metric: Metric, settings: dict[str, Any]) -> Design:
    """How to compare; takes its own settings out of the others."""
    keys = ("seed", "sessions", "null", "strict", "pairs")
    return Design(
        metric=metric,
        budget_s=settings.pop("budget"),
        command=command_line(),
        **{key: settings.pop(key) for key in keys},
    )


def _can_be_checked(arm: Arm, found: comparison.Read) -> bool:
    """Whether the last arm has a verdict, is a server's, and generates enough to be halved."""
    task, verdict = arm.task, found.claims[-1].verdict
    whole = isinstance(task, Timed) and task.kind == "request" and task.generation_tokens >= 4
    return whole and verdict is not None and arm.target.source == "server"


def _checked(store: Store, found: comparison.Read, arm: Arm, design: Design) -> comparison.Read:
    """What was found, with the arm's rate from two lengths: a small comparison of its own."""
    task = arm.task
    assert isinstance(task, Timed)
    half = replace(arm, task=replace(task, generation_tokens=task.generation_tokens // 2))
    own = replace(
        design,
        budget_s=min(design.budget_s, CHECK_BUDGET_S),
        pairs=CHECK_PAIRS,
        sessions=1,
        null=False,
    )
    with following() as show:
        checked = comparison.read(store, compare([arm, half], own, store, show))
    return replace(found, differencing=checked.differencing)


def _lock_for(written: Sequence[Written]) -> AbstractContextManager[None]:
    """The accelerator's lock, which simulated arms do not need."""
    simulated = all(one.engine == "sim" for one in written)
    return nullcontext() if simulated else lock.accelerator_lock()


@contextmanager
def following() -> Iterator[Callable[[Event], None]]:
    """A live line that follows a comparison."""
    with live_line() as show:

        def follow(event: Event) -> None:
            if isinstance(event, Target):
                show(f"loading {one_line(event.model)} …", True)
            elif event.planned is None:
                show(f"warming up, arm {_letter(event)} …", False)
            else:
                show(f"round {event.done + 1} of at most {event.planned} …", False)

        yield follow


def _letter(turn: Turn) -> str:
    return chr(ord("A") + turn.arm)


def _print_plan(store: Store, found: comparison.Read, as_json: bool) -> None:
    """How long a comparison must be to see a difference, from the pilot's own variance."""
    effect = found.findings[0].effect
    if effect is None:
        failure = found.comparison.sessions[0].failure or "it has too few usable pairs"
        raise MeasurementError(f"the pilot failed ({failure})", "compare other arms")
    round_s = _round_s(store, found)
    rows = [
        (difference, stats.pairs_to_detect(effect.spread, difference))
        for difference in PLANNED_DIFFERENCES
    ]
    if as_json:
        plans = [
            {"difference": difference, "pairs": pairs, "seconds": pairs * round_s}
            for difference, pairs in rows
        ]
        print_json({"plan": {"pilot_pairs": effect.pairs, "spread": effect.spread, "for": plans}})
        return
    out = console()
    out.print(f"from a pilot of {effect.pairs} pairs that varied by {effect.spread:.2%}:")
    for difference, pairs in rows:
        out.print(
            f"  to find {difference:.1%} 4 times in 5: {pairs} pairs, "
            f"--budget {pairs * round_s:.0f} ({duration(pairs * round_s)})"
        )
    out.print("a pilot this short may be off by a third either way", style="dim")


def _round_s(store: Store, found: comparison.Read) -> float:
    """Seconds that a round of the pilot took."""
    session = found.comparison.sessions[0]
    trials = [
        record.trial.duration_s or 0.0
        for run_id in session.run_ids
        for record in store.run(run_id).trials
        if record.phase == "measured"
    ]
    return sum(trials) / len(session.rounds)
