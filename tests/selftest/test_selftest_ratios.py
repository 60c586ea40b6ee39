"""Rates agree, differ, or were too noisy to tell; rounds are taken until that is clear."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mlxbench.selftest import ratios


def rounds(ratio: float, noise: float) -> Iterator[float]:
    dice = random.Random(1)
    while True:
        yield ratio * (1 + dice.uniform(-noise, noise))


def answer(ratio: float, noise: float) -> bool | None:
    _, (found,) = ratios.settle(rounds(ratio, noise), (lambda one: one,), 0.1, 8)
    return found.agrees


@pytest.mark.parametrize("ratio", [0.95, 1.0, 1.05])
def test_ratios_within_the_tolerance_agree(ratio: float) -> None:
    assert answer(ratio, 0.01) is True


@pytest.mark.parametrize("ratio", [0.5, 0.85, 1.2, 1.33])
def test_ratios_beyond_the_tolerance_do_not(ratio: float) -> None:
    assert answer(ratio, 0.01) is False


@pytest.mark.parametrize("ratio", [1.0, 1.1, 1.15])
def test_noise_neither_passes_nor_fails(ratio: float) -> None:
    assert answer(ratio, 0.5) is None


def test_clear_rounds_end_early_and_noisy_ones_at_the_most() -> None:
    few, _ = ratios.settle(rounds(1.0, 0.01), (lambda one: one,), 0.1, 8)
    many, _ = ratios.settle(rounds(1.0, 0.9), (lambda one: one,), 0.1, 8)
    assert (len(few), len(many)) == (ratios.FEWEST, 8)
