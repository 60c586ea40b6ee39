"""From effects to words."""

from __future__ import annotations

import math

import pytest

from mlxbench.stats import ONLY_LOOK, Contrast, Effect, Look, verdict

EARLY = Look(stop=True, final=False, level=0.96)
DEGREES = 1000  # near enough to normal: 95 % reach 1.962, 90 % reach 1.646 standard errors


def effect(log_speedup: float, standard_error: float) -> Effect:
    of_b = Contrast(log_speedup, standard_error, DEGREES)
    return Effect(of_b, Contrast(0, standard_error, DEGREES), standard_error * 10, 100)


def word(log_speedup: float, standard_error: float, look: Look = ONLY_LOOK) -> str:
    return verdict(effect(log_speedup, standard_error), look).word


def test_an_interval_that_excludes_one_is_a_claim_in_its_direction() -> None:
    assert word(0.0197, 0.01) == "faster"
    assert word(0.0195, 0.01) == "inconclusive"
    assert word(-0.0197, 0.01) == "slower"


def test_the_level_of_the_look_decides() -> None:
    assert word(0.0197, 0.01, EARLY) == "inconclusive"
    assert word(0.0210, 0.01, EARLY) == "faster"


def test_a_certain_but_small_difference_is_called_slight() -> None:
    small, large = verdict(effect(0.0099, 0.001), ONLY_LOOK), verdict(effect(-0.01, 0.001), EARLY)
    assert (small.word, small.slight) == ("faster", True)
    assert (large.word, large.slight) == ("slower", False)


def test_equivalent_needs_the_whole_interval_within_one_per_cent() -> None:
    # ln 1.01 = 0.00995 = 1.646 · 0.006045
    assert word(0.0, 0.0060) == "equivalent"
    assert word(0.0, 0.0061) == "inconclusive"
    assert word(0.002, 0.0048) == "equivalent"
    assert word(-0.002, 0.0049) == "inconclusive"


def test_nothing_is_equivalent_early() -> None:
    assert word(0.0, 0.001, EARLY) == "inconclusive"


def test_what_is_shown_to_differ_is_not_called_equivalent() -> None:
    assert word(0.005, 0.001) == "faster"


@pytest.mark.parametrize("log_speedup", [-0.03, -0.01, -0.003, 0.0, 0.004, 0.02])
@pytest.mark.parametrize("standard_error", [0.001, 0.004, 0.02])
def test_swapping_the_arms_swaps_the_words(log_speedup: float, standard_error: float) -> None:
    opposite = {"faster": "slower", "slower": "faster"}
    there = word(log_speedup, standard_error)
    assert word(-log_speedup, standard_error) == opposite.get(there, there)


def test_a_verdict_carries_its_ratio_and_what_could_have_been_seen() -> None:
    found = verdict(effect(0.05, 0.01), ONLY_LOOK)
    assert found.speed_ratio.value == pytest.approx(math.exp(0.05))
    assert found.speed_ratio.low == pytest.approx(math.exp(0.05 - 0.01962), abs=1e-5)
    assert found.detectable == pytest.approx(math.expm1(0.02804), abs=1e-4)
