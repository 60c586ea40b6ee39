"""The drift alarm, worked by hand."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import pairwise

import pytest

from mlxbench.stats import trend


def test_a_trend_is_the_straight_line_through_the_logarithms() -> None:
    # ln: 0, 0.03, 0.03 at 0, 1, 2 s. Slope 0.015; residuals -0.005, 0.01, -0.005, so the standard
    # error is √(0.00015/1/2) = 0.00866, t = √3 on 1 degree of freedom: p = 1 - 2·60°/180°
    found = trend([0.0, 1.0, 2.0], [1.0, math.exp(0.03), math.exp(0.03)])
    assert found is not None
    reach = 12.7062 * 0.000075**0.5
    assert found.change == pytest.approx(math.expm1(2 * 0.015))
    assert found.low == pytest.approx(math.expm1(2 * (0.015 - reach)), abs=1e-5)
    assert found.high == pytest.approx(math.expm1(2 * (0.015 + reach)), abs=1e-5)
    assert found.p == pytest.approx(1 / 3)
    assert found.n == 3
    assert not found.alarming


def test_numbers_of_trials_do_as_well_as_times() -> None:
    paces = [1.0, 1.01, 1.03, 1.02, 1.05]
    numbered, timed = trend(range(5), paces), trend([10.0, 20.0, 30.0, 40.0, 50.0], paces)
    assert numbered is not None and timed is not None
    assert astuple(numbered) == pytest.approx(astuple(timed))


def test_a_machine_that_slows_down_steadily_raises_the_alarm() -> None:
    found = trend(range(8), [1.01**i * (1 + 0.001 * (-1) ** i) for i in range(8)])
    assert found is not None
    assert found.alarming
    assert found.change == pytest.approx(1.01**7 - 1, rel=0.05)


def test_a_constant_pace_raises_no_alarm() -> None:
    stamps = [i * 0.1 for i in range(21)]  # so that the gaps differ by a rounding
    found = trend(range(20), [b - a for a, b in pairwise(stamps)])
    assert found is not None
    assert (found.change, found.p, found.alarming) == (0, 1, False)


def test_two_points_or_one_moment_are_no_trend() -> None:
    assert trend([0.0, 1.0], [1.0, 2.0]) is None
    assert trend([5.0, 5.0, 5.0], [1.0, 2.0, 3.0]) is None
