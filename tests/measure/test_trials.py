"""When measuring one arm starts to count and when it stops, with scripted time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mlxbench.measure import Plan, Progress, trials
from mlxbench.measure.notices import notices
from mlxbench.records import Completed, Failed, Trial, TrialRecord
from tests.measure.fake_engine import DECODE, FAILURE, ScriptedLoaded, trial


def measured(
    script: Callable[[int], Trial], plan: Plan
) -> tuple[list[TrialRecord], Progress, ScriptedLoaded]:
    loaded, progress = ScriptedLoaded(script), Progress(plan)
    return list(trials(loaded, DECODE, progress)), progress, loaded


def phases(records: list[TrialRecord]) -> str:
    return "".join(record.phase[0] for record in records)


def codes(progress: Progress) -> list[str]:
    return [notice.code for notice in notices(progress)]


def noisy(spread: float) -> Callable[[int], Trial]:
    source = random.Random(1)
    return lambda _: trial(0.1 * (1 + source.gauss(0, spread)))


def test_a_steady_engine_warms_up_four_trials_and_stops_at_eight_measured_ones() -> None:
    records, progress, _ = measured(lambda _: trial(0.1), Plan())
    assert phases(records) == "wwww" + "m" * 8
    assert codes(progress) == []


def test_a_slow_start_is_discarded_until_the_pace_settles() -> None:
    paces = [0.5, 0.3, 0.2, 0.15, 0.12, 0.11] + [0.1] * 100
    _, progress, _ = measured(lambda seed: trial(paces[seed]), Plan())
    assert progress.measured == pytest.approx([0.1] * 8)
    assert progress.warm[0] == pytest.approx(0.5)


def test_warm_up_ends_at_twelve_and_says_that_it_never_settled() -> None:
    records, progress, _ = measured(lambda seed: trial(0.1 * 1.05**seed), Plan(trials=3))
    assert phases(records) == "w" * 12 + "mmm"
    assert "not-steady" in codes(progress)


def test_a_noisy_engine_runs_until_the_interval_is_narrow_enough() -> None:
    _, progress, _ = measured(noisy(0.02), Plan(budget_s=10_000))
    assert progress.precise()
    assert len(progress.measured) > 8
    assert codes(progress) == []


def test_a_noisy_engine_stops_within_the_budget_and_says_what_is_missing() -> None:
    _, progress, loaded = measured(noisy(0.3), Plan(budget_s=60))
    assert loaded.clock() - 100 <= 60
    assert not progress.precise()
    assert "imprecise" in codes(progress)


def test_warm_up_takes_at_most_half_of_the_budget() -> None:
    records, progress, _ = measured(lambda seed: trial(1.0 * 1.05**seed), Plan(budget_s=60))
    warm_s = sum(record.trial.duration_s or 0.0 for record in records if record.phase == "warmup")
    assert warm_s <= 30
    assert len(progress.measured) >= 1


def test_a_budget_for_one_trial_only_makes_the_first_one_count() -> None:
    records, progress, _ = measured(lambda _: trial(10.0), Plan(budget_s=50))
    assert phases(records) == "m"
    assert codes(progress) == ["cold", "imprecise"]


def test_a_fixed_number_of_trials_overrides_the_budget() -> None:
    records, progress, _ = measured(lambda _: trial(10.0), Plan(trials=2, warmup=1, budget_s=1))
    assert phases(records) == "wmm"
    assert codes(progress) == []


def test_a_warm_up_that_eats_the_budget_still_leaves_one_trial() -> None:
    records, progress, _ = measured(lambda _: trial(1.0), Plan(warmup=3, budget_s=1))
    assert phases(records) == "wwwm"
    assert codes(progress) == ["imprecise"]


def test_too_short_a_warm_up_is_not_called_a_drift() -> None:
    _, progress, _ = measured(lambda _: trial(5.0), Plan(budget_s=60))
    assert "short-warmup" in codes(progress)
    assert "not-steady" not in codes(progress)


def test_a_fixed_number_of_trials_warms_up_for_half_of_the_budget_at_most() -> None:
    records, _, _ = measured(lambda seed: trial(1.05**seed), Plan(trials=1, budget_s=60))
    assert phases(records).count("w") < 8


def test_no_warm_up_is_possible_when_asked_for() -> None:
    records, progress, _ = measured(lambda _: trial(0.1), Plan(trials=1, warmup=0))
    assert phases(records) == "m"
    assert codes(progress) == []


def test_every_trial_gets_a_seed_of_its_own() -> None:
    _, _, loaded = measured(lambda _: trial(0.1), Plan())
    assert loaded.seeds == list(range(12))


def test_some_failures_are_recorded_and_left_out_of_the_rate() -> None:
    records, progress, _ = measured(
        lambda seed: FAILURE if seed == 6 else trial(0.1), Plan(trials=10)
    )
    assert len(progress.measured) == 10
    assert [r.trial for r in records if isinstance(r.trial, Failed)] == [FAILURE]
    assert codes(progress) == ["failed-trials"]


def test_more_than_a_fifth_of_failures_ends_the_arm() -> None:
    records, progress, _ = measured(
        lambda seed: FAILURE if seed % 3 == 2 else trial(0.1), Plan(trials=50)
    )
    assert progress.hopeless()
    assert len(records) < 20


def test_an_engine_that_always_fails_is_given_up_after_three_trials() -> None:
    records, progress, _ = measured(lambda _: FAILURE, Plan())
    assert len(records) == 3
    assert progress.hopeless()


def test_an_interrupted_trial_is_recorded_as_aborted_and_the_interrupt_goes_on() -> None:
    def script(seed: int) -> Trial:
        if seed == 2:
            raise KeyboardInterrupt
        return trial(0.1)

    records = []
    with pytest.raises(KeyboardInterrupt):
        for record in trials(ScriptedLoaded(script), DECODE, Progress(Plan())):
            records.append(record)
    assert [isinstance(record.trial, Completed) for record in records] == [True, True, False]
    assert isinstance(records[-1].trial, Failed)
    assert records[-1].trial.reason == "aborted"


def test_outliers_are_reported_and_kept() -> None:
    paces = [0.1, 0.1001, 0.0999, 0.1002] * 3
    paces[9] = 0.2
    _, progress, _ = measured(lambda seed: trial(paces[seed]), Plan(trials=8))
    assert "outliers" in codes(progress)
    assert max(progress.measured) == pytest.approx(0.2)


def test_the_time_left_never_exceeds_the_budget() -> None:
    loaded, progress = ScriptedLoaded(lambda _: trial(0.1)), Progress(Plan(budget_s=60))
    for _ in trials(loaded, DECODE, progress):
        assert 0 <= progress.remaining_s() <= 60
