"""From graded replies to shares, verdicts, gaps and tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.acrostic import PHRASE
from mlxbench.records import Failed, Message, Question
from mlxbench.report.probes import gap, graded, paired
from tests.report.probe_samples import (
    CONTROL,
    CUT,
    FOMO,
    IN_PROSE,
    NOTHING,
    NOTICED,
    RIGHT,
    WRONG,
    probed,
    replied,
)


def test_each_reply_counts_once_under_its_grade() -> None:
    result = graded(probed([RIGHT, WRONG, NOTICED, NOTHING, CUT]))
    assert result.counts == {"0": 1, "1": 1, "2": 1, "3": 1, "TRUNCATED": 1}
    assert result.passes == 1
    assert result.truncated == 1
    assert result.missing == 0


def test_a_truncated_reply_is_no_pass_and_is_left_out_of_the_share_beside() -> None:
    result = graded(probed([RIGHT, RIGHT, CUT, CUT]))
    assert result.share is not None
    assert result.share_of_complete is not None
    assert (result.share.value, result.share.n) == (0.5, 4)
    assert (result.share_of_complete.value, result.share_of_complete.n) == (1.0, 2)


def test_no_pass_of_twenty_can_still_be_sixteen_percent() -> None:
    share = graded(probed([NOTHING] * 20)).share
    assert share is not None
    assert share.low == 0
    assert share.high == pytest.approx(0.161, abs=0.001)


@pytest.mark.parametrize(
    ("replies", "verdict"),
    [
        ([RIGHT], "PASS"),
        ([NOTHING], "FAIL"),
        ([RIGHT, NOTHING], "PASS"),
        ([RIGHT, NOTHING, NOTHING], "FAIL"),
        ([RIGHT, CUT, CUT], "FAIL"),
    ],
)
def test_half_of_the_replies_make_a_pass(replies: list[str], verdict: str) -> None:
    assert graded(probed(replies)).verdict == verdict


def test_a_rejected_thought_passes_by_the_notes_rule_only() -> None:
    result = graded(probed([IN_PROSE]))
    assert (result.verdict, result.seed_verdict) == ("FAIL", "PASS")


def test_without_a_single_reply_there_is_no_verdict() -> None:
    result = graded(probed([Failed("connection", "gone")]))
    assert result.verdict is None
    assert result.seed_verdict is None
    assert result.share is None
    assert result.missing == 1
    assert result.tokens_to_pass is None


def test_controls_pass_by_claiming_nothing() -> None:
    result = graded(probed([NOTHING, WRONG, NOTICED, CUT], [CONTROL], "controls"))
    assert result.passes == 1
    assert result.false_positives == 2
    assert result.truncated == 1


def test_poems_with_an_acrostic_have_no_false_positives() -> None:
    assert graded(probed([WRONG])).false_positives is None


def test_a_pass_costs_the_failed_attempts_too() -> None:
    result = graded(probed([replied(RIGHT, 100, 2.0), replied(NOTHING, 300, 4.0)]))
    assert result.tokens_to_pass == 400
    assert result.seconds_to_pass == 3.0  # the machine's time, half of what each reply took
    assert graded(probed([NOTHING])).tokens_to_pass is None


def test_a_servers_replies_come_one_by_one_and_cost_their_whole_time() -> None:
    alone = replace(replied(RIGHT, 100, 2.0), native={})
    assert graded(probed([alone])).seconds_to_pass == 2.0


def test_the_gap_is_the_public_poems_share_minus_that_of_fresh_ones() -> None:
    fomo = graded(probed([RIGHT] * 20))
    heldout = graded(probed([NOTHING] * 20, suite="heldout"))
    found = gap(fomo, heldout)
    assert found is not None
    assert found.value == 1
    assert found.low is not None
    assert found.low > 0.7
    assert gap(fomo, graded(probed([Failed("timeout", "late")], suite="heldout"))) is None


def items(count: int) -> list[Question]:
    return [Question(f"heldout-{i:02}", PHRASE, (Message("user", "?"),)) for i in range(count)]


def test_two_models_are_paired_item_by_item() -> None:
    first = graded(probed([RIGHT] * 7 + [NOTHING], items(8), "heldout", "a"))
    second = graded(probed([RIGHT] + [NOTHING] * 6 + [RIGHT], items(8), "heldout", "b"))
    found = paired(first, second)
    assert found is not None
    assert (found.items, found.only_first, found.only_second) == (8, 6, 1)
    assert found.p == 0.125


def test_one_item_makes_no_pairs() -> None:
    assert paired(graded(probed([RIGHT] * 20)), graded(probed([NOTHING] * 20, model="b"))) is None


def test_an_item_with_several_replies_passes_where_half_of_them_do() -> None:
    questions = [FOMO, replace(FOMO, item="second")]
    first = graded(probed([RIGHT, NOTHING, NOTHING, NOTHING], questions, "heldout"))
    second = graded(probed([NOTHING, NOTHING, RIGHT, RIGHT], questions, "heldout", "b"))
    found = paired(first, second)
    assert found is not None
    assert (found.only_first, found.only_second) == (1, 1)
