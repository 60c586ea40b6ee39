"""The clock's checks pass on a good clock, and fail on each kind of bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from mlxbench.selftest import clock
from mlxbench.selftest.clock import Moment
from tests.selftest.samples import answers, only


def scripted(*readings: float) -> Callable[[], float]:
    following: Iterator[float] = iter(readings)
    return lambda: next(following)


def test_this_machines_clock_passes() -> None:
    assert answers(clock.grain()) == {"resolution": True, "never backwards": True}


def test_a_coarse_clock_fails() -> None:
    ticks = count()
    found = clock.grain(lambda: next(ticks) // 10 * 0.001, readings=1000)
    assert answers(found) == {"resolution": False, "never backwards": True}


def test_a_clock_that_stands_still_fails() -> None:
    found = only(clock.grain(lambda: 1.0, readings=10), "resolution")
    assert (found.passed, found.value, found.figures) == (False, "it stands still", {})


def test_a_clock_that_goes_back_once_fails() -> None:
    found = clock.grain(scripted(1.0, 1.000001, 1.000002, 1.0000015, 1.000003), readings=5)
    assert answers(found) == {"resolution": True, "never backwards": False}


def test_two_clocks_that_run_alike_pass() -> None:
    begin, end = Moment(5.0, 100.0, 0.0), Moment(305.0, 400.0001, 0.0)
    assert answers(clock.pace(begin, end)) == {"no step": True, "sleep": True}


@pytest.mark.parametrize("apart", [-0.5, 0.5, 3600.0])
def test_a_step_of_the_clock_fails(apart: float) -> None:
    begin, end = Moment(5.0, 100.0, 0.0), Moment(305.0 + apart, 400.0, 0.0)
    assert only(clock.pace(begin, end), "no step").passed is False


def test_a_clock_of_another_pace_fails() -> None:
    begin, end = Moment(0.0, 0.0, 0.0), Moment(300.0 * 1.003, 300.0, 0.0)
    assert only(clock.pace(begin, end), "no step").passed is False


def test_after_sleep_the_two_clocks_are_not_held_together() -> None:
    begin, end = Moment(0.0, 0.0, 0.0), Moment(100.0, 130.0, 30.0)
    found = only(clock.pace(begin, end), "no step")
    assert found.passed is None
    assert "slept" in found.sentence


def test_a_negative_sleep_fails() -> None:
    found = clock.pace(Moment(0.0, 0.0, 9.0), Moment(1.0, 1.0, 1.0))
    assert only(found, "sleep").passed is False


def test_of_three_readings_the_closest_pair_is_a_moment() -> None:
    read = scripted(1.0, 3.0, 10.0, 10.2, 20.0, 25.0)
    found = clock.moment(read, scripted(2.0, 110.0, 22.0), lambda: 7.0)
    assert found == Moment(10.1, 110.0, 7.0)
