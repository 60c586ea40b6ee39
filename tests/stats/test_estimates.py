"""Estimates of one arm, worked by hand."""

from __future__ import annotations

import pytest

from mlxbench.stats import (
    Estimate,
    bandwidth_utilisation,
    is_steady,
    mean,
    outliers,
    throughput,
)

T_2 = 4.302653  # Student's t for 95 % and 2 degrees of freedom

# ---- means --------------------------------------------------------------------------------------


def test_a_mean_has_a_t_interval() -> None:
    # 1, 2, 3: standard deviation 1, standard error 1/√3
    found = mean([1.0, 2.0, 3.0], level=0.95)
    assert found.value == 2
    assert found.low == pytest.approx(2 - T_2 / 3**0.5)
    assert found.high == pytest.approx(2 + T_2 / 3**0.5)
    assert found.n == 3
    assert found.relative_half_width == pytest.approx(T_2 / 3**0.5 / 2)


def test_an_interval_that_may_stop_a_measurement_is_wider_than_it_is_called() -> None:
    usual, stopping = mean([1.0, 2.0, 3.0], level=0.95), mean([1.0, 2.0, 3.0])
    assert usual.relative_half_width is not None
    assert stopping.relative_half_width is not None
    assert stopping.relative_half_width > 1.2 * usual.relative_half_width


def test_a_single_value_has_no_interval() -> None:
    assert mean([5.0]) == Estimate(5.0, None, None, 1)
    assert mean([5.0]).relative_half_width is None
    assert throughput([100], [2.0]) == Estimate(50.0, None, None, 1)


# ---- rates --------------------------------------------------------------------------------------


def test_throughput_is_the_ratio_estimator_turned_over() -> None:
    # τ = 6.3/600 = 0.0105; residuals -0.05, -0.1, 0.15; s² = 0.035/2; standard error s/(200·√3)
    found = throughput([100, 200, 300], [1.0, 2.0, 3.3], level=0.95)
    half = T_2 * 0.0175**0.5 / (200 * 3**0.5)
    assert found.value == pytest.approx(600 / 6.3)
    assert found.low == pytest.approx(1 / (0.0105 + half))
    assert found.high == pytest.approx(1 / (0.0105 - half))
    assert found.low == pytest.approx(82.351, abs=1e-3)
    assert found.high == pytest.approx(112.906, abs=1e-3)


def test_trials_of_unequal_length_at_one_pace_leave_no_doubt() -> None:
    found = throughput([10, 1000], [0.1, 10.0])
    assert found.low == pytest.approx(100)
    assert found.high == pytest.approx(100)


def test_a_stall_counts_by_its_seconds_and_not_by_its_tokens() -> None:
    # 100 tokens in 1 s, then 100 in 3 s: 200 in 4 s. The mean of the rates would be 66.7.
    assert throughput([100, 100], [1.0, 3.0]).value == 50


def test_times_that_could_as_well_be_zero_give_a_rate_without_upper_end() -> None:
    found = throughput([100, 200, 300], [1.0, 2.0, 6.0], level=0.95)
    assert found.high is None
    assert found.low is not None
    assert 0 < found.low < found.value
    assert found.relative_half_width is None


def test_utilisation_is_bytes_per_second_over_the_bandwidth() -> None:
    # 50 tok/s · 4 GB = 200 GB/s of 400
    rate = Estimate(50.0, 40.0, 60.0, 8)
    assert bandwidth_utilisation(rate, 4e9, 400e9) == Estimate(0.5, 0.4, 0.6, 8)
    alone = Estimate(50.0, None, None, 1)
    assert bandwidth_utilisation(alone, 4e9, 400e9) == Estimate(0.5, None, None, 1)


# ---- steadiness ---------------------------------------------------------------------------------


def test_a_slow_first_value_delays_steadiness_until_it_leaves_the_window() -> None:
    assert not is_steady([2.0, 1.0, 1.0, 1.0])
    assert is_steady([2.0, 1.0, 1.0, 1.0, 1.0])


def test_three_values_are_too_few_to_be_steady() -> None:
    assert not is_steady([1.0, 1.0, 1.0])


def test_means_that_differ_by_just_half_a_per_cent_are_steady() -> None:
    # Sums 600 and 603, and 600 and 604
    assert is_steady([200.0, 200.0, 200.0, 203.0])
    assert not is_steady([200.0, 200.0, 200.0, 204.0])
    assert is_steady([200.0, 200.0, 200.0, 197.0])
    assert not is_steady([200.0, 200.0, 200.0, 196.0])


# ---- outliers -----------------------------------------------------------------------------------


def test_a_value_fifteen_deviations_away_is_marked() -> None:
    # Median 3.5, distances 2.5 1.5 0.5 0.5 1.5 …, their median 1.5; 14.8 of them reach to 25.7
    assert outliers([1.0, 2.0, 3.0, 4.0, 5.0, 26.0]) == (5,)
    assert outliers([1.0, 2.0, 3.0, 4.0, 5.0, 25.0]) == ()
    assert outliers([-30.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (0,)


def test_nothing_is_marked_where_no_deviation_can_be_told() -> None:
    assert outliers([1.0, 9.0]) == ()
    assert outliers([1.0, 1.0, 1.0, 9.0]) == ()
