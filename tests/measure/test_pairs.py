"""Which number of a trial is compared, and which trials pair up."""

from __future__ import annotations

import math

import pytest

from mlxbench.measure.pairs import effect, seconds
from mlxbench.records import Completed, Metric
from tests.measure.compared_trials import FAILED, alternating_rounds, decoded, wobbling

STALLED = Completed("virtual", (0.5, 0.6, 0.7, 1.8, 1.9), 2.0, 16, 5, 1, "length")
SINGLE = Completed("virtual", (0.5,), 0.6, 16, 1, 1, "length")


@pytest.mark.parametrize(
    ("metric", "expected"), [("decode", 0.35), ("median-gap", 0.1), ("prefill", 0.5), ("ttft", 0.5)]
)
def test_a_metric_is_a_number_of_seconds(metric: Metric, expected: float) -> None:
    assert seconds(STALLED, metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["decode", "median-gap", "prefill", "ttft"])
def test_a_failed_trial_has_no_number(metric: Metric) -> None:
    assert seconds(FAILED, metric) is None


@pytest.mark.parametrize("metric", ["decode", "median-gap"])
def test_a_single_token_has_no_gap(metric: Metric) -> None:
    assert seconds(SINGLE, metric) is None
    assert seconds(SINGLE, "ttft") == 0.5


def test_the_effect_is_positive_where_the_second_arm_is_faster() -> None:
    found = effect("decode", wobbling(0.10, 8), wobbling(0.08, 8), alternating_rounds(8), (0, 1))
    assert found is not None
    assert found.log_speedup.value == pytest.approx(math.log(0.10 / 0.08))
    assert found.pairs == 8


def test_whoever_goes_second_and_slower_is_an_order_effect_and_no_difference() -> None:
    rounds = alternating_rounds(8)
    first, second = 0.100, 0.103
    a = [decoded(first if order[0] == 0 else second) for order in rounds]
    b = [decoded(second if order[0] == 0 else first) for order in rounds]
    found = effect("decode", a, b, rounds, (0, 1))
    assert found is not None
    assert found.log_speedup.value == pytest.approx(0.0)
    assert found.order.value == pytest.approx(math.log(first / second))
    assert found.order_matters


def test_a_round_in_which_either_failed_is_left_out_whole() -> None:
    rounds = alternating_rounds(10)
    a, b = wobbling(0.1, 10), wobbling(0.1, 10)
    a[2], b[7] = FAILED, FAILED
    # What stood beside the failures would change the effect if it were paired with anything else.
    b[2], a[7] = decoded(0.5), decoded(0.9)
    found = effect("decode", a, b, rounds, (0, 1))
    assert found is not None
    assert found.pairs == 8
    assert found.log_speedup.value == pytest.approx(0.0)


def test_a_trial_of_a_round_that_was_broken_off_is_not_paired() -> None:
    a, b = [*wobbling(0.1, 6), decoded(9.0)], wobbling(0.1, 6)
    found = effect("decode", a, b, alternating_rounds(6), (0, 1))
    assert found is not None
    assert found.pairs == 6


def test_who_went_first_among_three_is_read_from_the_round() -> None:
    """Arm 0 is slow exactly where it runs after arm 2, so all there is is an order effect."""
    rounds = [(2, 1, 0), (0, 1, 2), (1, 0, 2), (2, 0, 1)]
    a = [decoded(0.11 if order.index(0) > order.index(2) else 0.10) for order in rounds]
    c = [decoded(0.11 if order.index(2) > order.index(0) else 0.10) for order in rounds]
    found = effect("decode", a, c, rounds, (0, 2))
    assert found is not None
    assert found.log_speedup.value == pytest.approx(0.0)
    assert found.order.value == pytest.approx(math.log(0.10 / 0.11))


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_fewer_than_three_pairs_have_no_effect(pairs: int) -> None:
    rounds = alternating_rounds(pairs)
    assert effect("decode", wobbling(0.1, pairs), wobbling(0.1, pairs), rounds, (0, 1)) is None


def test_pairs_of_one_order_only_have_no_effect() -> None:
    assert effect("decode", wobbling(0.1, 6), wobbling(0.1, 6), [(0, 1)] * 6, (0, 1)) is None
