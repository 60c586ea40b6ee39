"""Student's t against the printed table."""

from __future__ import annotations

import math

import pytest

from mlxbench.stats import t_quantile, two_sided_p
from mlxbench.stats.student import t_ratio


@pytest.mark.parametrize(
    ("level", "degrees", "printed"),
    [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 10, 2.228),
        (0.90, 30, 1.697),
        (0.99, 5, 4.032),
        (0.999, 2, 31.599),
    ],
)
def test_quantiles_are_those_of_the_printed_table(
    level: float, degrees: int, printed: float
) -> None:
    assert t_quantile(level, degrees) == pytest.approx(printed, abs=5e-4)


def test_the_tail_undoes_the_quantile() -> None:
    assert two_sided_p(t_quantile(0.95, 7), 7) == pytest.approx(0.05)
    assert two_sided_p(-t_quantile(0.95, 7), 7) == pytest.approx(0.05)


def test_with_one_degree_of_freedom_half_the_mass_is_within_one() -> None:
    assert two_sided_p(1.0, 1) == pytest.approx(0.5)


def test_without_spread_nothing_is_nothing_and_anything_is_certain() -> None:
    assert t_ratio(0.03, 0.01) == pytest.approx(3)
    assert two_sided_p(t_ratio(0.0, 0.0), 4) == 1
    assert two_sided_p(t_ratio(-0.01, 0.0), 4) == 0
    assert t_ratio(-0.01, 0.0) == -math.inf
