"""What a report is made of: the newest of everything, and nothing that belongs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.records import Arm, ComparedSession, Run, Sampler, Target, Timed
from mlxbench.report.gathering import Gathered, gather
from mlxbench.store import Store
from tests.report import plot_samples as samples
from tests.report import plot_week
from tests.report.probe_samples import NOTHING, RIGHT

MODEL = "qwen3-32b"
DECODE = Timed("decode", 64, 8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "results.db")
    yield opened
    opened.close()


def gathered(store: Store, *runs: Run) -> Gathered:
    for run in runs:
        store.add_run(run)
    return gather(store, samples.references())


def small(number: int, **changes: object) -> Run:
    return replace(samples.timed(MODEL, DECODE, number=number, n=2), **changes)  # type: ignore[arg-type]


def sampled(run: Run, sampler: Sampler) -> Run:
    return replace(run, arm=replace(run.arm, task=replace(run.arm.task, sampler=sampler)))


def test_an_empty_store_gives_nothing_but_the_references(store: Store) -> None:
    found = gathered(store)
    assert found == Gathered(references=samples.references())


def test_of_a_measurement_repeated_the_newest_is_shown(store: Store) -> None:
    older, newer = small(1), small(2)
    found = gathered(store, older, newer)
    assert [one.run.run_id for one in found.summaries] == [newer.run_id]
    assert [one.run_id for one in found.rows] == [newer.run_id]


def test_another_machine_or_version_is_another_measurement(store: Store) -> None:
    there = replace(samples.STUDIO, versions={"mlx": "0.30.0"})
    runs = [small(1), small(2, environment=samples.LINUX), small(3, environment=there)]
    assert len(gathered(store, *runs).rows) == 3


def test_another_number_of_cores_or_a_cpu_instead_is_another_machine(store: Store) -> None:
    smaller = replace(samples.STUDIO, accelerator_cores=60)
    on_cpu = replace(samples.STUDIO, accelerator=None, accelerator_backend="cpu")
    runs = [small(1), small(2, environment=smaller), small(3, environment=on_cpu)]
    probes = [
        replace(samples.probed(MODEL, "fomo", [reply], number=number), environment=environment)
        for number, environment, reply in ((4, samples.STUDIO, RIGHT), (5, smaller, NOTHING))
    ]
    found = gathered(store, *runs, *probes)
    assert len(found.probes) == 2
    verdicts = {
        (row.accelerator_backend, row.accelerator_cores): row.probe_verdict
        for row in found.rows
        if row.decode_tps
    }
    assert verdicts == {("metal", 80): "PASS", ("metal", 60): "FAIL", ("cpu", 80): None}


def test_a_run_that_was_broken_off_does_not_replace_one_that_was_not(store: Store) -> None:
    found = gathered(store, small(1), small(2, status="aborted"))
    assert [row.status for row in found.rows] == ["done"]


def test_rows_and_summaries_come_in_the_same_order_newest_first(store: Store) -> None:
    for run in [*plot_week.decode_runs(), *plot_week.probe_runs()]:
        store.add_run(run)
    found = gathered(store)
    assert [row.run_id for row in found.rows] == [one.run.run_id for one in found.summaries]
    created = [row.created_utc for row in found.rows]
    assert created == sorted(created, reverse=True) and len(created) > 20


def test_a_row_has_the_probe_of_its_weights_beside_it(store: Store) -> None:
    found = gathered(store, small(1), samples.probed(MODEL, "fomo", [RIGHT, NOTHING], number=2))
    rate = next(row for row in found.rows if row.decode_tps)
    assert (rate.probe_verdict, rate.probe_passes, rate.probe_replies) == ("PASS", 1, 2)


def test_only_stepped_runs_bring_their_trials(store: Store) -> None:
    stepped = samples.timed(MODEL, replace(DECODE, mode="stepped"), number=2, n=3)
    found = gathered(store, small(1), stepped)
    trials = {one.run.run_id: len(one.run.trials) for one in found.summaries}
    assert trials[stepped.run_id] == 3 and sum(trials.values()) == 3


def test_the_runs_of_a_comparison_stand_in_the_comparison_alone(store: Store) -> None:
    arm = Arm(Target("mlx", MODEL, "", "hub"), DECODE)
    made, runs = samples.comparison(arm, [(arm, 1.1)], number=5, rounds=4)
    store.add_comparison(made)
    abandoned = small(9, workload="comparison")  # its comparison was never written
    found = gathered(store, *runs, abandoned, small(1))
    assert len(found.rows) == 1
    assert [one.comparison.comparison_id for one in found.comparisons] == [made.comparison_id]
    assert found.environments[made.comparison_id].accelerator == "Apple M3 Ultra"


def test_the_runs_that_confirmed_a_winner_are_its_comparisons_too(store: Store) -> None:
    arm = Arm(Target("mlx", MODEL, "", "hub"), DECODE)
    made, runs = samples.comparison(arm, [(arm, 1.1)], number=5, rounds=4)
    fresh = [replace(run, run_id=run.run_id + "x", workload="standard") for run in runs]
    session = ComparedSession(tuple(run.run_id for run in fresh), made.sessions[0].rounds, 4)
    store.add_comparison(replace(made, confirmation=session, confirmed_arm=1))
    assert gathered(store, *runs, *fresh).rows == ()


def test_comparisons_come_newest_first(store: Store) -> None:
    for made, runs in plot_week.comparisons()[:3]:
        for run in runs:
            store.add_run(run)
        store.add_comparison(made)
    created = [one.comparison.created_utc for one in gathered(store).comparisons]
    assert created == sorted(created, reverse=True) and len(created) == 3


def test_of_a_probe_repeated_with_other_seeds_the_newest_is_shown(store: Store) -> None:
    older = samples.probed(MODEL, "fomo", [RIGHT], number=1)
    newer = samples.probed(MODEL, "fomo", [NOTHING, RIGHT], number=2)
    seeded = sampled(newer, Sampler(0.6, 0.95, 20, seed=77))
    found = gathered(store, older, seeded)
    assert [(one.run.run_id, one.passes) for one in found.probes] == [(newer.run_id, 1)]


def test_other_questions_settings_or_weights_are_another_probe(store: Store) -> None:
    poem = samples.probed(MODEL, "fomo", [RIGHT], number=1)
    control = samples.probed(MODEL, "controls", [NOTHING], number=2, question=samples.CONTROL)
    other = samples.probed("qwen3-30b-a3b", "fomo", [RIGHT], number=3)
    cooler = sampled(samples.probed(MODEL, "fomo", [RIGHT], number=4), Sampler(0.2))
    assert len(gathered(store, poem, control, other, cooler).probes) == 4


def test_a_probe_that_lacks_replies_does_not_replace_a_complete_one(store: Store) -> None:
    whole = samples.probed(MODEL, "fomo", [RIGHT, RIGHT], number=1)
    cut_short = replace(samples.probed(MODEL, "fomo", [NOTHING], number=2), status="aborted")
    found = gathered(store, whole, cut_short)
    assert [one.run.run_id for one in found.probes] == [whole.run_id]
