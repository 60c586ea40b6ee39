"""Percentiles with intervals, and when there are too few values for one."""

from __future__ import annotations

import numpy as np
import pytest

from mlxbench.stats import effective_size, fewest, percentile


def uncorrelated(n: int) -> list[float]:
    """1 to n, smallest and largest in turns: no value resembles its neighbour."""
    upwards = list(range(1, n + 1))
    return [float(upwards.pop(0 if i % 2 == 0 else -1)) for i in range(n)]


def test_values_that_resemble_their_neighbours_are_worth_fewer() -> None:
    # Distances -½ -½ ½ ½: φ = ¼/1, and 4 · 0.75/1.25 = 2.4
    assert effective_size([1.0, 1.0, 2.0, 2.0]) == pytest.approx(2.4)


def test_values_are_never_worth_more_than_they_are() -> None:
    assert effective_size([1.0, 2.0, 1.0, 2.0]) == 4


def test_equal_values_are_worth_all_of_themselves_though_their_mean_is_off_by_a_rounding() -> None:
    values = [0.1] * 100
    assert np.mean(values) != 0.1
    assert effective_size(values) == 100
    assert percentile(values, 0.9) is not None


def test_an_autoregression_is_worth_what_theory_says() -> None:
    draw = np.random.default_rng(1)
    values = [0.0]
    for shock in draw.standard_normal(200_000).tolist():
        values.append(0.6 * values[-1] + shock)
    # (1 - 0.6)/(1 + 0.6) = ¼
    assert effective_size(values) == pytest.approx(50_000, rel=0.02)


@pytest.mark.parametrize(("fraction", "enough"), [(0.9, 36), (0.95, 72), (0.99, 368)])
def test_a_percentile_needs_its_number_of_values(fraction: float, enough: int) -> None:
    assert percentile(uncorrelated(enough - 1), fraction) is None
    found = percentile(uncorrelated(enough), fraction)
    assert found is not None
    assert found.high == enough  # the largest value is the upper end
    assert found.n == enough


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_how_many_values_a_percentile_needs_is_told_beforehand(
    fraction: float, level: float
) -> None:
    enough = fewest(fraction, level)
    assert percentile(uncorrelated(enough), fraction, level) is not None
    assert percentile(uncorrelated(enough - 1), fraction, level) is None


def test_the_median_of_a_hundred_lies_between_the_40th_and_the_61st() -> None:
    # The textbook ranks: P(X ≤ 39) = 0.018 and P(X ≤ 40) = 0.028 for X of 100 tosses
    found = percentile(uncorrelated(100), 0.5)
    assert found is not None
    assert (found.value, found.low, found.high) == (50.5, 40, 61)


def test_correlated_values_give_a_wider_interval_or_none() -> None:
    # Every value twice in a row: φ = ½, so a third of the size and √3 of the width.
    twice = np.repeat(np.random.default_rng(3).uniform(size=2000), 2)
    shuffled = np.random.default_rng(4).permutation(twice)
    apart, together = percentile(shuffled.tolist(), 0.9), percentile(twice.tolist(), 0.9)
    assert apart is not None and apart.low is not None and apart.high is not None
    assert together is not None and together.low is not None and together.high is not None
    width = (together.high - together.low) / (apart.high - apart.low)
    assert width == pytest.approx(3**0.5, rel=0.15)
    assert percentile(sorted(twice.tolist()), 0.9) is None


def test_the_interval_holds_the_true_percentile_as_often_as_it_says() -> None:
    draw = np.random.default_rng(2)
    truth = -np.log(0.1)  # the 90th percentile of an exponential distribution
    found = [percentile(row, 0.9) for row in draw.exponential(size=(2000, 60)).tolist()]
    covered = sum(e.low <= truth <= e.high for e in found if e and e.low and e.high)
    known = sum(e is not None for e in found)
    assert known > 1900
    assert 0.94 < covered / known < 0.985
