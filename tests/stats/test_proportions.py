"""Shares and many tests at once, worked by hand."""

from __future__ import annotations

import pytest

from mlxbench.stats import difference, holm, mcnemar, wilson


def test_eight_of_ten_lie_between_a_half_and_nineteen_twentieths() -> None:
    # z² = 3.8415: centre (0.8 + 0.19207)/1.38415, half 1.95996·√(0.016 + 0.009604)/1.38415
    found = wilson(8, 10)
    assert found.value == 0.8
    assert found.low == pytest.approx(0.49016, abs=1e-5)
    assert found.high == pytest.approx(0.94331, abs=1e-5)
    assert found.n == 10


def test_none_and_all_are_not_certainties() -> None:
    # n/(n + z²) = 10/13.8415
    none, every = wilson(0, 10), wilson(10, 10)
    assert none.low == 0
    assert none.high == pytest.approx(1 - 0.72246, abs=1e-5)
    assert every.low == pytest.approx(0.72246, abs=1e-5)
    assert every.high == 1


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    # 0.005·4, 0.01·3, 0.03·2, and 0.04·1 may not undercut 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_an_adjusted_p_is_at_most_one() -> None:
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.03]) == [0.03]


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    # The first example of Newcombe (1998), table II: 56/70 - 48/80 by method 10.
    found = difference(56, 70, 48, 80)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert found.n == 70


def test_a_difference_of_all_and_none_stays_within_its_bounds() -> None:
    found = difference(20, 20, 0, 20)
    assert found.value == 1
    assert found.high == 1
    assert found.low is not None
    assert 0.7 < found.low < 1


def test_pairs_on_which_two_agree_say_nothing() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == 1


def test_one_against_six_may_be_chance_and_none_against_six_is_not() -> None:
    # 2·(C(7,0) + C(7,1))/2⁷ and 2·C(6,0)/2⁶
    assert mcnemar(1, 6) == mcnemar(6, 1) == 0.125
    assert mcnemar(0, 6) == 0.03125


def test_many_pairs_do_not_overflow() -> None:
    assert mcnemar(5_000, 5_000) == 1
    assert 0 < mcnemar(4_900, 5_100) < 0.05
