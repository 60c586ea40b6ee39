"""The sequence of pairs: blocks, seeds, and how often a trial follows its own arm."""

from __future__ import annotations

import random
from itertools import pairwise
from random import Random

import pytest

from mlxbench.stats import PAIRS_PER_BLOCK, abba_orders


@pytest.mark.parametrize("pairs", [2, 4, 10, 60, 200])
def test_every_block_begins_once_with_each_arm(pairs: int) -> None:
    orders = abba_orders(pairs, Random(1))
    blocks = [orders[at : at + PAIRS_PER_BLOCK] for at in range(0, pairs, PAIRS_PER_BLOCK)]
    assert len(orders) == pairs
    assert all(sorted(block) == ["AB", "BA"] for block in blocks)


def test_an_odd_number_of_pairs_ends_with_half_a_block() -> None:
    assert abba_orders(9, Random(3)) == abba_orders(10, Random(3))[:9]
    assert len(abba_orders(1, Random(3))) == 1
    assert abba_orders(0, Random(3)) == []


def test_the_same_seed_gives_the_same_orders_and_others_give_all_kinds() -> None:
    assert abba_orders(10, Random("a")) == abba_orders(10, Random("a"))
    different = {tuple(abba_orders(10, Random(seed))) for seed in range(200)}
    assert len(different) == 8  # which arm is first, and at which of four places the kind switches


def test_no_draw_touches_the_global_random_numbers() -> None:
    random.seed(1)
    before = random.getstate()
    abba_orders(10, Random(1))
    assert random.getstate() == before


@pytest.mark.parametrize(("pairs", "switches"), [(2, 0), (4, 1), (10, 1), (30, 2), (60, 3)])
def test_the_kind_of_block_switches_seldom_and_ever_more_seldom(pairs: int, switches: int) -> None:
    for seed in range(20):
        first = abba_orders(pairs, Random(seed))[::PAIRS_PER_BLOCK]
        assert sum(a != b for a, b in pairwise(first)) == switches


def test_only_a_switch_makes_both_arms_of_a_pair_follow_the_other_one() -> None:
    for seed in range(20):
        orders = abba_orders(30, Random(seed))
        trials = "".join(orders)
        # The pair at i is preceded by the trial before it: by the other arm if the orders repeat.
        repeats = [i for i in range(1, 30) if orders[i] == orders[i - 1]]
        follows_itself = {arm: trials.count(2 * arm) for arm in "AB"}
        assert len(repeats) == 2
        assert abs(follows_itself["A"] - follows_itself["B"]) <= 1
