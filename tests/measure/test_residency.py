"""Models in memory together: who goes when, what is recorded, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from mlxbench.errors import DoesNotFitError
from mlxbench.measure import Job, Plan, Session, TrialEnded, memory
from mlxbench.measure.residency import measure_resident, take_turns
from mlxbench.records import Arm, Run
from mlxbench.store import Store
from tests.measure.comparing_sim import TASK, sim

BIG = 1 << 20
FIRST = sim(f"itl=0.010,memory={BIG}")
SECOND = sim(f"itl=0.020,memory={BIG // 2}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.sqlite") as opened:
        yield opened


def jobs(*arms: Arm, trials: int | None = 4, budget_s: float = 60.0) -> list[Job]:
    return [Job(arm, Plan(trials, 1, budget_s)) for arm in arms]


def runs(store: Store, run_ids: tuple[str, ...]) -> list[Run]:
    return [store.run(run_id) for run_id in run_ids]


def test_each_is_measured_alone_and_then_together(store: Store) -> None:
    found = measure_resident(jobs(FIRST, SECOND), Session(store, "", lambda _: None))
    alone, together = runs(store, found.alone), runs(store, found.together)
    assert [run.arm for run in alone] == [run.arm for run in together] == [FIRST, SECOND]
    names = [FIRST.target.model, SECOND.target.model]
    assert [run.resident for run in alone] == [(), ()]
    assert [run.resident for run in together] == [(names[1],), (names[0],)]
    assert [run.predicted_memory_bytes for run in alone] == [BIG, BIG // 2]
    assert [run.predicted_memory_bytes for run in together] == [BIG + BIG // 2] * 2
    assert {run.status for run in (*alone, *together)} == {"done"}


def test_together_each_trial_follows_one_of_another_model_and_tasks_do_not_mix(
    store: Store,
) -> None:
    turns: list[tuple[str, str]] = []

    def follow(event: object) -> None:
        if isinstance(event, TrialEnded) and event.run.resident:
            turns.append((event.run.test, event.run.arm.target.model))

    deeper = [replace(arm, task=replace(TASK, depth=64)) for arm in (FIRST, SECOND)]
    measure_resident(jobs(FIRST, deeper[0], SECOND, deeper[1]), Session(store, "", follow))
    tests = ["tg32"] * 10 + ["tg32 @ d64"] * 10  # a warm-up and four trials of each model
    assert [test for test, _ in turns] == tests
    assert all(model != next_model for (_, model), (_, next_model) in pairwise(turns))


def test_what_does_not_fit_together_is_refused_though_each_fits_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "usable_bytes", lambda: BIG + BIG // 4)
    with pytest.raises(DoesNotFitError, match="in memory at once needs about"):
        measure_resident(jobs(FIRST, SECOND), Session(store, "", lambda _: None))
    assert store.runs() == []


def test_what_stops_one_of_them_leaves_all_their_trials_and_says_aborted(store: Store) -> None:
    def stop(event: object) -> None:
        if isinstance(event, TrialEnded) and event.run.resident and event.record.sequence == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_resident(jobs(FIRST, SECOND), Session(store, "", stop))
    kept = [store.run(run.run_id) for run in store.runs()]
    together = [run for run in kept if run.resident]
    assert [run.status for run in together] == ["aborted", "aborted"]
    assert sorted(len(run.trials) for run in together) == [2, 3]


def test_turns_end_when_the_last_has_ended() -> None:
    seen: list[str] = []

    def one(name: str, steps: int) -> Iterator[str]:
        for step in range(steps + 1):
            if step:
                seen.append(name)
            yield name

    assert take_turns([one("a", 1), one("b", 3)]) == ["a", "b"]
    assert seen == ["a", "b", "b", "b"]
