"""Whole comparisons on simulated arms, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from mlxbench import stats
from mlxbench.errors import DoesNotFitError
from mlxbench.measure import comparing
from mlxbench.measure.comparing import CONFIRMING_PAIRS, Design, Event
from mlxbench.measure.findings import confirmed_finding, measured_trials
from mlxbench.measure.interleaving import Turn
from mlxbench.records import Arm, Completed, Failed, Metric, Notice, Target, TrialRecord
from tests.measure.comparing_sim import Comparer, Kept, sim

QUIET = "machine=quiet/3"
A = sim(f"itl=0.010,{QUIET}")
SAME = sim(f"itl=0.010,load=3,{QUIET}")  # another target of the same speed
FASTER = sim(f"itl=0.0095,{QUIET}")
SLOWER = sim(f"itl=0.0105,{QUIET}")
HALF = sim(f"itl=0.005,{QUIET}")
DESIGN = Design("decode", seed=1, pairs=12)


def orders(kept: Kept) -> list[tuple[tuple[int, ...], ...]]:
    return [session.rounds for session in kept.comparison.sessions]


def facts(kept: Kept) -> list[list[list[object]]]:
    """Everything measured, without ids and dates."""
    return [[[r.trial for r in run.trials] for run in session] for session in kept.runs]


def codes(kept: Kept) -> set[str]:
    return {notice.code for notice in kept.comparison.notices}


def virtual_s(records: tuple[TrialRecord, ...], phase: str) -> float:
    return sum(record.trial.duration_s or 0.0 for record in records if record.phase == phase)


def test_the_same_seed_gives_the_same_order_and_the_same_trials(compared_in: Comparer) -> None:
    one, two = (compared_in([A, SAME], DESIGN) for _ in range(2))
    assert one.comparison.comparison_id != two.comparison.comparison_id
    assert orders(one) == orders(two)
    assert facts(one) == facts(two)


def test_another_seed_gives_another_order_and_other_trials(compared_in: Comparer) -> None:
    one, two = (compared_in([A, SAME], replace(DESIGN, seed=seed)) for seed in (1, 2))
    assert orders(one) != orders(two)
    assert facts(one) != facts(two)


@pytest.mark.parametrize(("other", "word"), [(FASTER, "faster"), (SLOWER, "slower")])
def test_a_difference_of_five_per_cent_is_found_with_its_sign(
    compared_in: Comparer, other: Arm, word: str
) -> None:
    made = compared_in([A, other], DESIGN)
    assert made.words == [word]
    verdict = made.findings[0].verdict
    assert verdict is not None
    ratio, truth = verdict.speed_ratio, 1 / 0.95 if word == "faster" else 1 / 1.05
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < truth < ratio.high
    assert not verdict.slight


@pytest.mark.parametrize("machine", [1, 2, 3, 4])
def test_an_arm_is_not_called_different_from_itself(compared_in: Comparer, machine: int) -> None:
    arm = sim(f"itl=0.010,machine=typical/{machine}")
    made = compared_in([arm, arm], Design("decode", seed=machine, budget_s=40))
    assert made.words[0] in ("equivalent", "inconclusive")


def test_arms_with_equal_targets_share_one_load(compared_in: Comparer) -> None:
    events: list[Event] = []
    compared_in([A, A], replace(DESIGN, pairs=4), events.append)
    assert sum(not isinstance(event, Turn) for event in events) == 1


@pytest.mark.parametrize("metric", ["decode", "median-gap", "prefill", "ttft"])
def test_every_metric_has_a_verdict(compared_in: Comparer, metric: Metric) -> None:
    slow = sim(f"itl=0.010,prefill=0.0010,{QUIET}")
    fast = sim(f"itl=0.009,prefill=0.0009,{QUIET}")
    made = compared_in([slow, fast], replace(DESIGN, metric=metric, pairs=20))
    assert made.words == ["faster"]


def test_a_large_effect_stops_at_an_early_look(compared_in: Comparer) -> None:
    made = compared_in([A, HALF], replace(DESIGN, pairs=40))
    (session,) = made.comparison.sessions
    assert session.planned == 40
    assert len(session.rounds) in stats.early_looks(40)[:3]
    assert made.words == ["faster"]
    assert all(run.status == "done" for run in made.runs[0])


def test_the_budget_counts_virtual_seconds_in_whole_blocks(compared_in: Comparer) -> None:
    made = compared_in([A, A], Design("decode", budget_s=20))
    (session,) = made.comparison.sessions
    warm = [run.trials for run in made.runs[0]]
    latest = [records[-1] for records in warm]
    assert all(isinstance(record.trial, Completed) for record in latest)
    assert session.planned % stats.PAIRS_PER_BLOCK == 0
    measuring = sum(virtual_s(records, "measured") for records in warm)
    round_s = measuring / len(session.rounds)
    # The plan follows from the latest warm-up trials, so it is off by their noise.
    assert session.planned * round_s + stats.PAIRS_PER_BLOCK * round_s > 0.9 * 20
    assert session.planned * round_s < 1.1 * 20


def test_sessions_share_the_budget(compared_in: Comparer) -> None:
    whole = compared_in([A, A], Design("decode", budget_s=20)).comparison.sessions
    halves = compared_in([A, A], Design("decode", budget_s=20, sessions=2)).comparison.sessions
    total = sum(session.planned for session in halves)
    assert total == pytest.approx(whole[0].planned, abs=4)


def test_a_budget_below_the_first_look_is_overdrawn_and_says_so(compared_in: Comparer) -> None:
    made = compared_in([A, A], Design("decode", budget_s=0.5))
    assert made.comparison.sessions[0].planned == stats.FIRST_LOOK
    assert "small-budget" in codes(made)


def test_a_number_of_pairs_overrides_the_budget(compared_in: Comparer) -> None:
    made = compared_in([A, A], Design("decode", budget_s=0.5, pairs=7))
    assert made.comparison.sessions[0].planned == 7
    assert "small-budget" not in codes(made)


def test_warm_up_is_kept_apart_and_ends_when_steady(compared_in: Comparer) -> None:
    ideal = sim("itl=0.010,machine=ideal/0")
    made = compared_in([ideal, ideal], replace(DESIGN, pairs=4))
    assert [run.trials[3].phase for run in made.runs[0]] == ["warmup", "warmup"]
    assert [run.trials[4].phase for run in made.runs[0]] == ["measured", "measured"]
    assert "not-steady" not in codes(made)


def test_every_trial_of_a_comparison_has_its_own_prompt(compared_in: Comparer) -> None:
    """A simulated trial's tokens name its seed."""
    made = compared_in([A, SAME], replace(DESIGN, pairs=8))
    tokens = [
        record.trial.tokens
        for session in made.runs
        for run in session
        for record in run.trials
        if isinstance(record.trial, Completed)
    ]
    assert len(set(tokens)) == len(tokens)


def test_a_null_arm_shows_the_noise_and_is_the_first_arm_again(compared_in: Comparer) -> None:
    made = compared_in([A, FASTER], replace(DESIGN, null=True))
    assert made.comparison.null
    assert made.comparison.arms == (A, FASTER, A)
    assert made.words[0] == "faster"
    assert made.words[1] != "faster"
    assert made.comparison.confirmation is None


def test_the_winner_of_three_is_confirmed_on_fresh_pairs(compared_in: Comparer) -> None:
    made = compared_in([A, FASTER, HALF], replace(DESIGN, pairs=6))
    assert made.words == ["faster", "faster"]
    comparison = made.comparison
    assert comparison.confirmed_arm == 2
    assert comparison.confirmation is not None
    assert len(comparison.confirmation.rounds) >= CONFIRMING_PAIRS
    used = {run.run_id for run in made.runs[0]}
    assert used.isdisjoint(comparison.confirmation.run_ids)
    finding = confirmed_finding(comparison, measured_trials(compared_in.store))
    assert finding is not None
    assert finding.effect is not None
    assert finding.effect.pairs >= CONFIRMING_PAIRS
    assert finding.verdict is not None
    assert finding.verdict.word == "faster"


def test_a_short_confirmation_is_no_small_budget(compared_in: Comparer) -> None:
    made = compared_in([A, FASTER, HALF], Design("decode", budget_s=12))
    assert made.comparison.confirmation is not None
    assert len(made.comparison.confirmation.rounds) >= CONFIRMING_PAIRS
    assert "small-budget" not in codes(made)


def test_the_null_arm_never_wins(compared_in: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where chance made it look faster than every real arm."""
    seen: list[int] = []

    def spy(made: list[object]) -> None:
        seen.append(len(made))

    monkeypatch.setattr(comparing, "winner", spy)
    compared_in([A, SAME, SLOWER], replace(DESIGN, pairs=4, null=True))
    assert seen == [2]


def test_three_arms_without_a_faster_one_are_not_confirmed(compared_in: Comparer) -> None:
    made = compared_in([A, SLOWER, SLOWER], replace(DESIGN, pairs=6))
    assert made.comparison.confirmation is None
    assert made.comparison.status == "done"


def test_too_many_failures_end_the_comparison_with_the_reason(compared_in: Comparer) -> None:
    made = compared_in([A, sim(f"itl=0.010,fail=0.5,{QUIET}")], replace(DESIGN, pairs=60))
    (session,) = made.comparison.sessions
    assert session.failure is not None
    assert "a simulated failure" in session.failure
    assert len(session.rounds) < 60
    assert made.comparison.status == "failed"
    assert made.words == [None]


def test_a_few_failures_leave_out_their_rounds_only(compared_in: Comparer) -> None:
    made = compared_in([A, sim(f"itl=0.010,fail=0.06,{QUIET}")], replace(DESIGN, pairs=40))
    failed = sum(isinstance(trial, Failed) for trial in made.trials(0, 1))
    assert failed > 0
    effect = made.findings[0].effect
    assert effect is not None
    assert effect.pairs == 40 - failed
    assert made.comparison.status == "done"


def test_one_arm_of_three_that_always_fails_ends_the_comparison(compared_in: Comparer) -> None:
    made = compared_in([A, FASTER, sim(f"itl=0.01,fail=1,{QUIET}")], DESIGN)
    (session,) = made.comparison.sessions
    assert session.failure is not None
    assert "fail=1" in session.failure
    assert made.words == [None, None]


def test_a_broken_engine_is_a_failed_session(compared_in: Comparer) -> None:
    made = compared_in([A, sim(f"itl=0.01,crash_at=9,{QUIET}")], DESIGN)
    (session,) = made.comparison.sessions
    assert session.failure is not None
    assert "crashed at trial 9" in session.failure
    assert [run.status for run in made.runs[0]] == ["failed", "failed"]


HOT = Notice("thermal-pressure", "the machine is hot", "let it cool down")


def test_a_gate_that_fails_on_the_way_is_noted(
    compared_in: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.measure.gating.check", lambda _: (HOT,))
    made = compared_in([A, FASTER], DESIGN)
    assert made.comparison.notices.count(HOT) == 1
    assert made.words == ["faster"]


def test_strict_refuses_a_machine_that_is_not_fit(
    compared_in: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.measure.gating.check", lambda _: (HOT,))
    made = compared_in([A, FASTER], replace(DESIGN, strict=True))
    (session,) = made.comparison.sessions
    assert session.failure == "the machine is hot; let it cool down, or leave out --strict"
    assert session.rounds == ()
    assert made.comparison.status == "failed"


def interrupt_after(turns: int, phase: str = "measured") -> Callable[[Event], None]:
    """Ctrl-C right after so many trials of a phase."""
    seen = count(1)

    def on_event(event: Event) -> None:
        if isinstance(event, Turn) and event.record.phase == phase and next(seen) == turns:
            raise KeyboardInterrupt

    return on_event


def test_ctrl_c_keeps_the_rounds_done_and_looks_at_them_for_the_last_time(
    compared_in: Comparer,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        compared_in([A, SAME], replace(DESIGN, pairs=40), interrupt_after(2 * 7 + 1))
    made = compared_in.latest()
    (session,) = made.comparison.sessions
    assert made.comparison.status == "aborted"
    assert (len(session.rounds), session.planned) == (7, 40)
    assert [run.status for run in made.runs[0]] == ["aborted", "aborted"]
    finding = made.findings[0]
    assert finding.effect is not None
    assert finding.effect.pairs == 7
    assert finding.verdict is not None


def test_ctrl_c_while_warming_up_leaves_a_comparison_without_a_verdict(
    compared_in: Comparer,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        compared_in([A, SLOWER], DESIGN, interrupt_after(3, "warmup"))
    made = compared_in.latest()
    assert made.comparison.status == "aborted"
    assert made.words == [None]


def test_ctrl_c_while_confirming_keeps_what_was_compared(compared_in: Comparer) -> None:
    with pytest.raises(KeyboardInterrupt):
        compared_in([A, FASTER, HALF], replace(DESIGN, pairs=6), interrupt_after(3 * 6 + 5))
    made = compared_in.latest()
    assert (made.comparison.status, len(made.comparison.sessions)) == ("aborted", 1)
    assert made.comparison.confirmation is None
    assert made.words == ["faster", "faster"]


BIG = 3 << 30


def test_arms_that_do_not_fit_together_take_turns_by_session(
    compared_in: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("comparing", "memory"):
        monkeypatch.setattr(f"mlxbench.measure.{module}.usable_bytes", lambda: int(1.5 * BIG))
    one, two = (sim(f"itl={itl},memory={BIG},machine=ideal/0") for itl in (0.010, 0.0095))
    events: list[Event] = []
    made = compared_in([one, two], Design("decode", budget_s=32), events.append)
    comparison = made.comparison
    assert comparison.alternating
    assert len(comparison.sessions) == 4
    assert all(len(session.run_ids) == 2 for session in comparison.sessions)
    firsts = [session.rounds[0] for session in comparison.sessions]
    loaded = [event for event in events if isinstance(event, Target)]
    assert loaded == [(one, two)[index].target for order in firsts for index in order]
    assert sorted(firsts) == [(0, 1), (0, 1), (1, 0), (1, 0)]
    assert made.words == ["faster"]
    measuring = sum(virtual_s(run.trials, "measured") for runs in made.runs for run in runs)
    assert measuring <= 32


def test_an_arm_that_never_fits_is_refused_before_anything_is_loaded(
    compared_in: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("comparing", "memory"):
        monkeypatch.setattr(f"mlxbench.measure.{module}.usable_bytes", lambda: BIG // 2)
    events: list[Event] = []
    with pytest.raises(DoesNotFitError, match="GiB are usable"):
        compared_in([A, sim(f"itl=0.01,memory={BIG}")], DESIGN, events.append)
    assert events == []
    assert compared_in.store.comparison_ids() == []
