"""When a comparison may stop, and what its interval is called."""

from __future__ import annotations

import pytest

from mlxbench.stats import PAIRS_PER_BLOCK, Contrast, Effect, early_looks, look


def effect(t: float, pairs: int) -> Effect:
    """An effect of `t` standard errors after so many pairs."""
    return Effect(Contrast(0.01 * t, 0.01, pairs - 2), Contrast(0, 0.01, pairs - 2), 0.02, pairs)


def test_looks_begin_at_four_pairs_and_become_sparser() -> None:
    assert early_looks(4) == []
    assert early_looks(6) == [4]
    assert early_looks(10) == [4, 6, 8]
    assert early_looks(60) == [4, 6, 8, 12, 18, 26, 38, 56]
    assert all(pairs % PAIRS_PER_BLOCK == 0 for pairs in early_looks(1000))


def test_an_early_look_stops_only_at_one_in_a_thousand() -> None:
    # t for 99.9 % and 6 degrees of freedom is 5.959
    assert not look(effect(5.9, 8), done=8, planned=20).stop
    assert look(effect(6.0, 8), done=8, planned=20).stop
    assert look(effect(-6.0, 8), done=8, planned=20).stop


def test_nothing_stops_between_looks() -> None:
    assert not look(effect(1000, 5), done=5, planned=20).stop
    assert not look(effect(1000, 3), done=3, planned=20).stop
    assert not look(effect(1000, 10), done=10, planned=20).stop


def test_the_last_look_always_stops_and_gives_back_what_the_others_cost() -> None:
    for t in (0.0, 1000.0):
        assert look(effect(t, 4), done=4, planned=4).level == pytest.approx(0.95)
        assert look(effect(t, 8), done=8, planned=8).level == pytest.approx(0.951)
        at = look(effect(t, 60), done=60, planned=60)
        assert (at.stop, at.final) == (True, True)
        assert at.level == pytest.approx(0.954)


def test_an_early_stop_is_reported_with_a_wider_interval_the_later_it_comes() -> None:
    soon, later = look(effect(99, 8), 8, 20), look(effect(99, 12), 12, 20)
    assert (soon.final, soon.level) == (False, 0.96)
    assert (later.final, later.level) == (False, 0.97)


def test_an_interval_on_the_way_is_as_strict_as_the_early_look() -> None:
    assert look(effect(0, 6), done=6, planned=20).level == pytest.approx(0.999)


def test_too_little_to_say_anything_goes_on_until_the_plan_ends() -> None:
    assert not look(None, done=4, planned=10).stop
    assert look(None, done=10, planned=10).stop


def test_failed_pairs_do_not_shift_the_looks() -> None:
    assert look(effect(99, 7), done=8, planned=20).stop
    assert not look(effect(99, 8), done=9, planned=20).stop
