"""Shares and many tests at once, worked by hand."""

from __future__ import annotations

import pytest

from mlxbench.stats import holm, wilson


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
