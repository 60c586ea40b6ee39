"""The effect of one arm against another, worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from mlxbench.stats import (
    Contrast,
    Effect,
    Order,
    log_speedups,
    pair_effect,
    pairs_to_detect,
    session_effect,
)

T_2 = 4.302653  # Student's t for 95 % and 2 degrees of freedom
SPEEDUPS = [0.03, 0.01, 0.01, -0.01]
ORDERS: list[Order] = ["AB", "BA", "AB", "BA"]


def effect(speedups: list[float], orders: list[Order]) -> Effect:
    found = pair_effect(speedups, orders)
    assert found is not None
    return found


def swapped(orders: list[Order]) -> list[Order]:
    return ["BA" if order == "AB" else "AB" for order in orders]


# ---- the convention -----------------------------------------------------------------------------


def test_less_time_for_b_is_a_positive_speedup_and_a_ratio_above_one() -> None:
    assert log_speedups([2.0, 1.0], [1.0, 2.0]) == pytest.approx([math.log(2), -math.log(2)])
    found = effect(log_speedups([2.0] * 4, [1.0] * 4), ORDERS)
    assert found.speed_ratio(0.95).value == pytest.approx(2)


# ---- pairs --------------------------------------------------------------------------------------


def test_an_effect_is_the_mean_of_both_orders_and_the_order_effect_half_their_difference() -> None:
    # AB: 0.03, 0.01, mean 0.02. BA: 0.01, -0.01, mean 0. Each 0.01 from its mean: s² = 0.0004/2,
    # and the standard error is ½·0.014142·√(½ + ½)
    found = effect(SPEEDUPS, ORDERS)
    assert found.log_speedup.value == pytest.approx(0.01)
    assert found.order.value == pytest.approx(0.01)
    assert found.spread == pytest.approx(0.0002**0.5)
    assert found.log_speedup.standard_error == pytest.approx(0.0002**0.5 / 2)
    assert found.log_speedup.degrees_of_freedom == 2
    assert (found.pairs, found.sessions) == (4, 1)


def test_the_interval_of_the_speed_ratio_is_that_of_the_logarithm() -> None:
    ratio = effect(SPEEDUPS, ORDERS).speed_ratio(0.95)
    reach = T_2 * 0.0002**0.5 / 2
    assert ratio.value == pytest.approx(math.exp(0.01))
    assert ratio.low == pytest.approx(math.exp(0.01 - reach))
    assert ratio.high == pytest.approx(math.exp(0.01 + reach))
    assert ratio.n == 4


def test_its_p_value_is_that_of_t() -> None:
    # t = √2 on 2 degrees of freedom: p = 1 - t/√(t² + 2)
    found = effect(SPEEDUPS, ORDERS)
    assert found.log_speedup.p == pytest.approx(1 - 2**0.5 / 2)
    assert found.order.p == pytest.approx(1 - 2**0.5 / 2)


def test_the_orders_count_alike_however_many_pairs_they_have() -> None:
    # AB: 0.03, 0.01, 0.02; BA: 0. s² = 0.0002/2; standard error ½·0.01·√(1/3 + 1)
    found = effect([0.03, 0.01, 0.02, 0.0], ["AB", "AB", "AB", "BA"])
    assert found.log_speedup.value == pytest.approx(0.01)
    assert found.log_speedup.standard_error == pytest.approx(0.005 * (4 / 3) ** 0.5)


def test_a_machine_that_slows_down_steadily_favours_nobody() -> None:
    # Each trial takes 1 % longer than the one before it; arms A B | B A | A B | B A | A B
    seconds = [1.01**i for i in range(10)]
    orders: list[Order] = ["AB", "BA", "AB", "BA", "AB"]
    a = [seconds[0], seconds[3], seconds[4], seconds[7], seconds[8]]
    b = [seconds[1], seconds[2], seconds[5], seconds[6], seconds[9]]
    found = effect(log_speedups(a, b), orders)
    assert found.log_speedup.value == pytest.approx(0, abs=1e-12)
    assert found.order.value == pytest.approx(-math.log(1.01))


def test_an_order_effect_is_an_alarm_only_beyond_chance() -> None:
    assert not effect(SPEEDUPS, ORDERS).order_matters
    assert effect([0.02, -0.02, 0.021, -0.019, 0.02, -0.02], [*ORDERS, "AB", "BA"]).order_matters


def test_swapping_the_arms_turns_the_ratio_over() -> None:
    there = effect(SPEEDUPS, ORDERS)
    back = effect([-d for d in SPEEDUPS], swapped(ORDERS))
    assert back.log_speedup.value == pytest.approx(-there.log_speedup.value)
    assert back.speed_ratio(0.95).low == pytest.approx(1 / (there.speed_ratio(0.95).high or 0))
    assert back.order.value == pytest.approx(there.order.value)


def test_two_pairs_or_a_single_order_say_nothing() -> None:
    assert pair_effect([0.01, 0.02], ["AB", "BA"]) is None
    assert pair_effect([0.01, 0.02, 0.03], ["AB", "AB", "AB"]) is None
    assert pair_effect([], []) is None


def test_the_roundings_of_a_clock_are_no_difference() -> None:
    stamps = [i * 0.1 for i in range(21)]
    seconds = [b - a for a, b in pairwise(stamps)]
    found = effect(log_speedups(seconds[::2], seconds[1::2]), [*ORDERS, *ORDERS, "AB", "BA"])
    assert len(set(seconds)) > 1
    assert found.speed_ratio(0.95).low == found.speed_ratio(0.95).high == 1


def test_pairs_without_any_noise_are_certain() -> None:
    found = effect([0.5] * 4, ORDERS)
    assert (found.log_speedup.p, found.detectable) == (0, 0)
    assert effect([0.0] * 4, ORDERS).log_speedup.p == 1


# ---- what could have been seen ------------------------------------------------------------------


def test_the_detectable_difference_is_two_quantiles_of_standard_errors() -> None:
    # 2 degrees of freedom: t_0.975 + t_0.80 = 4.302653 + 1.060660
    expected = math.expm1((T_2 + 1.060660) * 0.0002**0.5 / 2)
    assert effect(SPEEDUPS, ORDERS).detectable == pytest.approx(expected)


def test_so_many_pairs_make_a_difference_detectable_and_one_block_less_does_not() -> None:
    # 34 pairs: (2.0369 + 0.8530)·0.02/√34 = 0.00991 < ln 1.01 = 0.00995; 32 pairs give 0.0102
    assert pairs_to_detect(0.02, 0.01) == 34
    assert pairs_to_detect(0.02, 0.02) < 34 < pairs_to_detect(0.04, 0.01)


def test_a_plan_is_whole_blocks_and_never_below_the_first_look() -> None:
    assert pairs_to_detect(0.0, 0.01) == 4
    assert all(pairs_to_detect(0.001 * i, 0.01) % 2 == 0 for i in range(40))
    assert pairs_to_detect(1.0, 1e-4) > 10**8  # hopeless, and found out at once


# ---- sessions -----------------------------------------------------------------------------------


def session(log_speedup: float, pairs: int = 4) -> Effect:
    return Effect(Contrast(log_speedup, 0.001, 2), Contrast(-0.002, 0.001, 2), 0.002, pairs)


def test_sessions_are_the_sample_and_count_alike() -> None:
    # 0.01, 0.02, 0.03: mean 0.02, standard deviation 0.01, standard error 0.01/√3
    found = session_effect([session(0.01), session(0.02, pairs=60), session(0.03)])
    assert found is not None
    assert found.log_speedup.value == pytest.approx(0.02)
    assert found.log_speedup.standard_error == pytest.approx(0.01 / 3**0.5)
    assert found.log_speedup.degrees_of_freedom == 2
    assert found.spread == pytest.approx(0.01)
    assert found.order.value == pytest.approx(-0.002)
    assert (found.pairs, found.sessions) == (68, 3)


def test_a_single_session_speaks_for_its_pairs() -> None:
    assert session_effect([session(0.01)]) == session(0.01)
    assert session_effect([]) is None


def test_pairs_cannot_buy_certainty_about_sessions() -> None:
    sessions = [session(0.01), session(0.03)]
    sure = [replace(one, log_speedup=Contrast(one.log_speedup.value, 0, 998)) for one in sessions]
    assert session_effect(sure) == session_effect(sessions)
