"""In which order arms run: balanced, and fixed by the seed alone."""

from __future__ import annotations

from collections import Counter

import pytest

from mlxbench.measure.rounds import round_orders

SEEDS = range(20)


@pytest.mark.parametrize("arms", [1, 2, 3, 5])
@pytest.mark.parametrize("rounds", [1, 4, 7, 40])
def test_every_round_holds_each_arm_once(arms: int, rounds: int) -> None:
    orders = round_orders(arms, rounds, seed=3)
    assert len(orders) == rounds
    assert all(sorted(order) == list(range(arms)) for order in orders)


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_the_seed_alone_fixes_the_order(arms: int) -> None:
    assert round_orders(arms, 30, 1) == round_orders(arms, 30, 1)
    assert len({round_orders(arms, 30, seed) for seed in SEEDS}) > len(SEEDS) // 2


def test_two_arms_run_in_blocks_of_a_b_b_a_or_b_a_a_b() -> None:
    for seed in SEEDS:
        orders = round_orders(2, 24, seed)
        assert all(a == b[::-1] for a, b in zip(orders[::2], orders[1::2], strict=True))


def test_each_arm_of_two_goes_first_equally_often() -> None:
    for seed in SEEDS:
        assert Counter(round_orders(2, 24, seed)) == {(0, 1): 12, (1, 0): 12}


def test_every_second_round_of_several_arms_is_the_one_before_it_backwards() -> None:
    for seed in SEEDS:
        orders = round_orders(4, 10, seed)
        assert all(a == b[::-1] for a, b in zip(orders[::2], orders[1::2], strict=True))


def test_several_arms_take_every_place_within_a_few_rounds() -> None:
    orders = round_orders(3, 60, seed=0)
    assert {(arm, order.index(arm)) for order in orders for arm in range(3)} == {
        (arm, place) for arm in range(3) for place in range(3)
    }
