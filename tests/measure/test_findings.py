"""What a comparison found, from hand-made trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mlxbench import stats
from mlxbench.measure.findings import Finding, confirmed_finding, findings, winner
from mlxbench.records import ComparedSession, Trial
from tests.measure.compared_trials import (
    FAILED,
    compared,
    decoded,
    one_session,
    paced,
    reader,
)

# Differences between the arms of a pair wobble by these, with a mean of 0 in either order.
NOISE = (0.004, 0.003, -0.004, -0.003, 0.001, 0.002, -0.001, -0.002)
STEADY = paced(0.1, [0.0] * 8)


def found(
    trials: Sequence[Sequence[Trial]], planned: int | None = None, null: bool = False
) -> list[Finding]:
    session, runs = one_session(trials, planned)
    return findings(compared([session], len(trials), null=null), reader(runs))


def only(made: Sequence[Finding]) -> Finding:
    (finding,) = made
    return finding


def word(finding: Finding) -> str | None:
    return finding.verdict.word if finding.verdict else None


def a_level(finding: Finding) -> float:
    """The confidence level of the interval that is shown."""
    assert finding.effect is not None
    assert finding.verdict is not None
    contrast, high = finding.effect.log_speedup, finding.verdict.speed_ratio.high
    assert high is not None
    t = (math.log(high) - contrast.value) / contrast.standard_error
    return 1 - stats.two_sided_p(t, contrast.degrees_of_freedom)


def barely_significant(p: float) -> list[Trial]:
    """Trials that differ from a steady 0.1 s with just this p-value, faster."""
    noise = paced(0.1, NOISE)
    finding = only(found([STEADY, noise]))
    assert finding.effect is not None
    error = finding.effect.log_speedup.standard_error
    shift = stats.t_quantile(1 - p, 6) * error + finding.effect.log_speedup.value
    return paced(0.1 * math.exp(-shift), NOISE)


def test_an_arm_with_less_time_per_token_is_faster() -> None:
    finding = only(found([STEADY, paced(0.095, NOISE)]))
    assert word(finding) == "faster"
    assert finding.verdict is not None
    assert finding.verdict.speed_ratio.value == pytest.approx(0.1 / 0.095, rel=1e-3)
    assert not finding.verdict.slight


def test_an_arm_with_more_time_per_token_is_slower() -> None:
    finding = only(found([STEADY, paced(0.105, NOISE)]))
    assert word(finding) == "slower"
    assert finding.verdict is not None
    assert finding.verdict.speed_ratio.value == pytest.approx(0.1 / 0.105, rel=1e-3)


def test_equal_arms_are_equivalent_where_the_interval_is_narrow() -> None:
    assert word(only(found([STEADY, paced(0.1, NOISE)]))) == "equivalent"


def test_equal_arms_are_inconclusive_where_it_is_wide() -> None:
    finding = only(found([STEADY, paced(0.1, [20 * wobble for wobble in NOISE])]))
    assert word(finding) == "inconclusive"
    assert finding.verdict is not None
    assert finding.verdict.detectable > 0.01


def test_the_last_look_gives_back_what_the_early_ones_cost() -> None:
    trials = [paced(0.1, [0.0] * 24), paced(0.1, NOISE * 3)]
    early = len(stats.early_looks(24))
    assert early > 2
    assert a_level(only(found(trials))) == pytest.approx(0.95 + 0.0005 * early)


def test_a_stop_at_an_early_look_shows_a_wider_interval_and_is_never_equivalent() -> None:
    finding = only(found([STEADY, paced(0.05, NOISE)], planned=40))
    assert 8 in stats.early_looks(40)
    assert word(finding) == "faster"
    assert a_level(finding) == pytest.approx(0.96)


def test_one_that_was_broken_off_looks_for_the_last_time_where_it_ended() -> None:
    trials = [paced(0.1, [0.0] * 16), paced(0.1, NOISE * 2)]
    assert 16 not in stats.early_looks(41)
    finding = only(found(trials, planned=41))
    assert a_level(finding) == pytest.approx(0.95 + 0.0005 * len(stats.early_looks(16)))
    assert word(finding) == "equivalent"


def test_too_few_rounds_give_no_verdict() -> None:
    finding = only(found([STEADY[:2], STEADY[:2]], planned=8))
    assert (finding.effect, finding.verdict) == (None, None)


def test_a_failed_trial_leaves_out_its_whole_round() -> None:
    a, b = list(STEADY), paced(0.1, NOISE)
    a[1], b[1] = FAILED, decoded(0.01)
    b[6], a[6] = FAILED, decoded(0.90)
    finding = only(found([a, b]))
    assert finding.effect is not None
    assert finding.effect.pairs == 6
    assert word(finding) != "faster"


def sessions_of(
    paces: Sequence[float], failing: Sequence[int] = ()
) -> tuple[list[ComparedSession], dict[str, Sequence[Trial]]]:
    """A session for each pace of the second arm; the first arm always takes 0.1 s."""
    sessions: list[ComparedSession] = []
    runs: dict[str, Sequence[Trial]] = {}
    for number, pace in enumerate(paces):
        session, own = one_session([STEADY, paced(pace, NOISE)], prefix=f"s{number}")
        broken = replace(session, failure="killed") if number in failing else session
        sessions.append(broken)
        runs |= own
    return sessions, runs


def test_sessions_are_the_sample_where_there_are_several() -> None:
    """Each session alone would claim a difference; between them it goes both ways."""
    sessions, runs = sessions_of([0.097, 0.103, 0.098, 0.102])
    alone = findings(compared(sessions[:1]), reader(runs))
    assert word(only(alone)) == "faster"
    together = only(findings(compared(sessions), reader(runs)))
    assert together.effect is not None
    assert (together.effect.sessions, together.effect.pairs) == (4, 32)
    assert together.effect.log_speedup.degrees_of_freedom == 3
    assert word(together) == "inconclusive"
    assert a_level(together) == pytest.approx(0.95)


def test_a_failed_session_is_left_out_and_the_rest_stand() -> None:
    sessions, runs = sessions_of([0.095, 0.5, 0.0952, 0.0951], failing=[1])
    finding = only(findings(compared(sessions), reader(runs)))
    assert finding.effect is not None
    assert finding.effect.sessions == 3
    assert word(finding) == "faster"


def test_without_any_usable_session_there_is_no_verdict() -> None:
    sessions, runs = sessions_of([0.1, 0.1], failing=[0, 1])
    assert only(findings(compared(sessions), reader(runs))).verdict is None


def test_a_session_without_runs_is_no_obstacle() -> None:
    session = ComparedSession(failure="the worker process was ended by SIGKILL")
    assert only(findings(compared([session]), reader())).verdict is None


def test_claims_about_several_arms_must_survive_holm() -> None:
    weak = barely_significant(0.04)
    alone = only(found([STEADY, weak]))
    assert alone.effect is not None
    assert alone.effect.log_speedup.p == pytest.approx(0.04, abs=1e-3)
    second, third = found([STEADY, weak, weak])
    assert [word(second), word(third)] == ["inconclusive", "inconclusive"]
    assert second.adjusted_p == pytest.approx(0.08, abs=2e-3)


def test_one_strong_claim_leaves_its_full_level_to_a_weak_one() -> None:
    strong, weak = found([STEADY, paced(0.09, NOISE), barely_significant(0.04)])
    assert [word(strong), word(weak)] == ["faster", "faster"]
    assert weak.adjusted_p == pytest.approx(0.04, abs=1e-3)


def test_several_arms_are_never_looked_at_early() -> None:
    made = found([STEADY, paced(0.05, NOISE), paced(0.05, NOISE)], planned=40)
    assert [a_level(finding) for finding in made] == pytest.approx([0.95, 0.95])


def test_the_null_arm_is_no_claim_and_costs_the_others_nothing() -> None:
    weak = barely_significant(0.04)
    strong, claim, null = found([STEADY, paced(0.09, NOISE), weak, paced(0.1, NOISE)], null=True)
    assert word(claim) == "faster"
    assert null.adjusted_p is None
    assert word(null) == "equivalent"
    assert strong.arm == 1


def test_a_null_arm_beside_two_leaves_them_their_planned_looks() -> None:
    claim, null = found([STEADY, paced(0.05, NOISE), paced(0.1, NOISE)], planned=40, null=True)
    assert a_level(claim) == pytest.approx(0.96)
    assert word(null) == "equivalent"


def test_the_winner_is_the_fastest_of_the_faster() -> None:
    made = found([STEADY, paced(0.095, NOISE), paced(0.09, NOISE), paced(0.12, NOISE)])
    assert winner(made) == 2


def test_without_a_faster_arm_there_is_no_winner() -> None:
    assert winner(found([STEADY, paced(0.1, NOISE), paced(0.12, NOISE)])) is None
    assert winner([Finding(1, None, None)]) is None


def test_the_winner_is_published_with_its_fresh_pairs_only() -> None:
    session, runs = one_session([STEADY, paced(0.09, NOISE), paced(0.08, NOISE)])
    fresh, fresh_runs = one_session([STEADY, paced(0.098, NOISE)], prefix="fresh")
    comparison = replace(compared([session], 3), confirmed_arm=2, confirmation=fresh)
    finding = confirmed_finding(comparison, reader(runs, fresh_runs))
    assert finding is not None
    assert finding.arm == 2
    assert finding.verdict is not None
    assert finding.verdict.speed_ratio.value == pytest.approx(0.1 / 0.098, rel=1e-3)


def test_a_confirmation_that_failed_confirms_nothing() -> None:
    session, runs = one_session([STEADY, STEADY, STEADY])
    failed = ComparedSession(failure="killed")
    comparison = replace(compared([session], 3), confirmed_arm=2, confirmation=failed)
    assert confirmed_finding(comparison, reader(runs)) is None
    assert confirmed_finding(compared([session], 3), reader(runs)) is None


def alternated(paces: Sequence[tuple[float, float]], orders: Sequence[tuple[int, int]]) -> Finding:
    """Sessions in which each arm was loaded and measured by itself, in the order given."""
    sessions: list[ComparedSession] = []
    runs: dict[str, Sequence[Trial]] = {}
    for number, ((a, b), order) in enumerate(zip(paces, orders, strict=True)):
        rounds = (order,) * 8
        session, own = one_session(
            [paced(a, NOISE), paced(b, NOISE)], rounds=rounds, prefix=f"s{number}"
        )
        sessions.append(session)
        runs |= own
    return only(findings(compared(sessions, alternating=True), reader(runs)))


ORDERS = ((0, 1), (1, 0), (1, 0), (0, 1))


def test_of_arms_that_took_turns_only_sessions_are_compared() -> None:
    finding = alternated([(0.1, 0.090), (0.1, 0.091), (0.1, 0.0905), (0.1, 0.0895)], ORDERS)
    assert finding.effect is not None
    assert finding.effect.pairs == 4
    assert word(finding) == "faster"
    assert finding.verdict is not None
    assert finding.verdict.speed_ratio.value == pytest.approx(1 / 0.9025, rel=2e-3)


def test_of_arms_that_took_turns_the_order_of_the_sessions_counts() -> None:
    """Whoever was loaded second was 10 % slower: an order effect, and no difference."""
    paces = [(0.10, 0.11), (0.11, 0.10), (0.11, 0.10), (0.10, 0.11)]
    finding = alternated(paces, ORDERS)
    assert finding.effect is not None
    assert finding.effect.log_speedup.value == pytest.approx(0.0, abs=1e-6)
    assert finding.effect.order.value == pytest.approx(math.log(0.10 / 0.11))


def test_a_session_that_failed_for_one_arm_is_no_pair() -> None:
    session, runs = one_session([paced(0.1, NOISE), [FAILED] * 8])
    made = findings(compared([session] * 4, alternating=True), reader(runs))
    assert only(made).effect is None
