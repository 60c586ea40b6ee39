"""Comparisons: arms interleaved round by round, until a planned look says that it is enough.

One session is: load every target once, warm each arm up until steady, fix the number of rounds from
the budget, then run the arms in a seeded order and look at the planned places. Sessions repeat all
of that in fresh processes, because what differs between two loads does not average out within one;
with several, each runs its planned rounds and only the last look remains.

With more than two arms nothing stops early; the fastest is then confirmed on fresh pairs against
the first, since the winner of many is partly the luckiest.

Arms that do not fit into memory together alternate: each session loads one after the other, and
only sessions are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import SystemRandom

from mlxbench.errors import MeasurementError
from mlxbench.measure.findings import findings, measured_trials, winner
from mlxbench.measure.gating import Gate
from mlxbench.measure.interleaving import Interleaved, Turn
from mlxbench.measure.memory import needed_bytes, refuse_unless_it_fits, usable_bytes
from mlxbench.measure.opening import Opened, environment_of, opened
from mlxbench.measure.pairs import effect
from mlxbench.measure.recording import SEEDS_PER_SESSION, prompt_seed, recorded, utc_now
from mlxbench.measure.rounds import round_orders
from mlxbench.records import Arm, ComparedSession, Comparison, Metric, Notice, RunStatus, Target
from mlxbench.stats import FIRST_LOOK, PAIRS_PER_BLOCK, look
from mlxbench.store import Store, new_run_id

CONFIRMING_PAIRS = 10
FEWEST_ALTERNATIONS = 4


@dataclass(frozen=True, slots=True)
class Design:
    """How arms are compared. `pairs` overrides what the budget allows.

    `budget_s` is measuring time, without loading and warm-up, shared by all sessions. `null` runs
    the first arm twice, to show what difference noise alone makes.
    """

    metric: Metric
    seed: int = 0
    budget_s: float = 60.0
    pairs: int | None = None
    sessions: int = 1
    null: bool = False
    strict: bool = False
    command: str = ""


Event = Target | Turn


@dataclass(slots=True)
class _Bench:
    """What every session needs besides its arms, and the sessions that there are."""

    store: Store
    design: Design
    gate: Gate
    on_event: Callable[[Event], None]
    comparison_id: str
    sessions: list[ComparedSession] = field(default_factory=list)


def compare(
    arms: Sequence[Arm], design: Design, store: Store, on_event: Callable[[Event], None]
) -> str:
    """Compare `arms` with the first of them; returns the id under which the store has it.

    Raises DoesNotFitError before anything is loaded. A session that fails is recorded as such, and
    the rest stand; what was measured stays in the store however this ends.
    """
    everyone = [*arms, arms[0]] if design.null else list(arms)
    alternating = _must_alternate(everyone)
    if alternating:
        design = replace(design, sessions=max(design.sessions, FEWEST_ALTERNATIONS))
    comparison = _begin(everyone, design, alternating)
    store.add_comparison(comparison)
    if alternating:  # each arm has a session's rounds to itself
        design = replace(design, budget_s=design.budget_s / len(everyone))
    bench = _Bench(store, design, Gate(design.strict), on_event, comparison.comparison_id)
    status: RunStatus = "aborted"
    try:
        for number in range(design.sessions):
            run_session = _alternate if alternating else _session
            run_session(bench, everyone, number)
            comparison = replace(comparison, sessions=tuple(bench.sessions))
            store.update_comparison(comparison)
        if len(arms) > 2:
            comparison = _confirmed(bench, comparison, everyone)
        failed = all(session.failure for session in comparison.sessions)
        status = "failed" if failed else "done"
    except MeasurementError:
        status = "failed"
        raise
    finally:
        sessions = tuple(bench.sessions[: design.sessions])  # without an unfinished confirmation
        notices = bench.gate.notices()
        store.update_comparison(
            replace(comparison, status=status, sessions=sessions, notices=notices)
        )
    return comparison.comparison_id


def _begin(arms: Sequence[Arm], design: Design, alternating: bool) -> Comparison:
    return Comparison(
        comparison_id=new_run_id(datetime.now(UTC), SystemRandom()),
        created_utc=utc_now(),
        command=design.command,
        metric=design.metric,
        arms=tuple(recorded(arm) for arm in arms),
        seed=design.seed,
        budget_s=design.budget_s,
        null=design.null,
        alternating=alternating,
    )


def _must_alternate(arms: Sequence[Arm]) -> bool:
    """Whether targets fit only one at a time. Raises DoesNotFitError for one that never does."""
    needs = {arm.target: needed_bytes(arm.target, arms) for arm in arms}
    for target, needed in needs.items():
        refuse_unless_it_fits(target.model, needed)
    usable = usable_bytes()
    known = [needed for needed in needs.values() if needed is not None]
    return usable is not None and sum(known) > usable


def _session(bench: _Bench, arms: Sequence[Arm], number: int, confirming: bool = False) -> None:
    """Measure one session and keep it however it ends; a broken worker ends only its session.

    One that confirms a winner has more pairs at least, and no early looks.
    """
    fresh = bench.design.sessions > 1
    lanes: Interleaved | None = None
    failure: str | None = "interrupted"
    opening = False
    try:
        bench.gate.before(environment_of(arms[0].target))
        opening = True
        with opened(arms, fresh, bench.on_event) as targets:
            lanes = _lanes(bench, arms, targets, number)
            failure = _measure_and_finish(bench, lanes, targets, number, confirming)
    except MeasurementError as error:
        failure = str(error)
        if opening and lanes is None and not fresh:  # no other session will fare better
            raise
    except KeyboardInterrupt:
        if not fresh:  # nobody has seen a result, so what there is may be looked at, once
            failure = None
        raise
    finally:
        bench.sessions.append(
            ComparedSession(
                run_ids=lanes.run_ids if lanes else (),
                rounds=tuple(lanes.rounds) if lanes else (),
                planned=(lanes.planned or 0) if lanes else 0,
                failure=failure,
            )
        )


def _lanes(
    bench: _Bench, arms: Sequence[Arm], targets: Mapping[Target, Opened], number: int
) -> Interleaved:
    first_seed = (bench.design.seed * 1_000 + number) * SEEDS_PER_SESSION
    if any(arm.target.source == "server" for arm in arms):
        first_seed = prompt_seed(f"{bench.comparison_id}/{number}")
    return Interleaved(bench.store, arms, targets, bench.design.command, first_seed, bench.on_event)


def _measure_and_finish(
    bench: _Bench,
    lanes: Interleaved,
    targets: Mapping[Target, Opened],
    number: int,
    confirming: bool,
) -> str | None:
    """`_measure`, with the runs closed in the store however it ends."""
    status: RunStatus = "failed"
    try:
        failure = _measure(bench, lanes, targets, number, confirming)
        status = "failed" if failure else "done"
        return failure
    except KeyboardInterrupt:
        status = "aborted"
        raise
    finally:
        lanes.finish(status)


def _measure(
    bench: _Bench,
    lanes: Interleaved,
    targets: Mapping[Target, Opened],
    number: int,
    confirming: bool,
) -> str | None:
    """Warm up and run the planned rounds; returns why the session is of no use, if it is not."""
    machine = next(iter(targets.values())).environment
    budget_s = bench.design.budget_s / bench.design.sessions
    lanes.warm_up(budget_s)
    if failure := lanes.hopeless():
        return failure
    if not lanes.steady():
        bench.gate.add(_NOT_STEADY)
    fewest = CONFIRMING_PAIRS if confirming else FIRST_LOOK
    lanes.planned = _affordable(bench, lanes.round_s(), budget_s, fewest)
    for order in round_orders(lanes.arms, lanes.planned, bench.design.seed + number):
        lanes.run_round(order)
        bench.gate.again(machine)
        if failure := lanes.hopeless():
            return failure
        if bench.design.sessions == 1 and not confirming and _decided(bench, lanes):
            break
    return None


def _decided(bench: _Bench, lanes: Interleaved) -> bool:
    """Whether an early look at two arms (and perhaps the null one) says that this is enough."""
    real = lanes.arms - bench.design.null
    if real != 2:
        return False
    assert lanes.planned is not None
    found = effect(bench.design.metric, lanes.trials(0), lanes.trials(1), lanes.rounds, (0, 1))
    return look(found, len(lanes.rounds), lanes.planned).stop


def _affordable(bench: _Bench, round_s: float, budget_s: float, fewest: int) -> int:
    """How many rounds are planned: as asked for, or whole blocks within the budget."""
    if bench.design.pairs is not None:
        return max(bench.design.pairs, fewest)
    rounds = int(budget_s / round_s) // PAIRS_PER_BLOCK * PAIRS_PER_BLOCK if round_s > 0 else fewest
    if rounds < FIRST_LOOK:
        bench.gate.add(_SMALL_BUDGET)
    return max(rounds, fewest)


def _alternate(bench: _Bench, arms: Sequence[Arm], number: int) -> None:
    """One session of arms that do not fit together: each loaded, measured and closed in turn."""
    order = round_orders(len(arms), bench.design.sessions, bench.design.seed)[number]
    parts: dict[int, ComparedSession] = {}
    for index in order:
        _session(bench, [arms[index]], number * len(arms) + index)
        parts[index] = bench.sessions.pop()
    failures = [part.failure for part in parts.values() if part.failure]
    rounds = min(len(part.rounds) for part in parts.values())
    bench.sessions.append(
        ComparedSession(
            run_ids=tuple(run_id for index in sorted(parts) for run_id in parts[index].run_ids),
            rounds=(order,) * rounds,
            planned=min(part.planned for part in parts.values()),
            failure=failures[0] if failures else None,
        )
    )


def _confirmed(bench: _Bench, comparison: Comparison, arms: Sequence[Arm]) -> Comparison:
    """The comparison with its winner measured again, on fresh pairs against the first arm."""
    real = len(comparison.arms) - comparison.null
    best = winner(findings(comparison, measured_trials(bench.store))[: real - 1])
    if best is None or comparison.alternating:
        return comparison
    _session(bench, [arms[0], arms[best]], bench.design.sessions, confirming=True)
    return replace(comparison, confirmed_arm=best, confirmation=bench.sessions.pop())


_NOT_STEADY = Notice(
    "not-steady",
    "an arm had not settled when measuring began",
    "close other programs, let the machine settle, or raise --budget",
)
_SMALL_BUDGET = Notice(
    "small-budget",
    f"the budget is too small for the {FIRST_LOOK} pairs of the first look; they were run anyway",
    "raise --budget, or measure fewer tokens at a time",
)
