"""Gathered samples and their plots, made once."""

from __future__ import annotations

import pytest

from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import (
    Plot,
    plots,
    svg,
)
from tests.report import plot_week
from tests.report.plotted import (
    a_week,
    gathered,
    hostile_comparisons,
    hostile_runs,
)


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    return gathered(a_week(), plot_week.comparisons(), tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="session")
def made(week: Gathered) -> dict[str, Plot]:
    return {plot.name: plot for plot in plots(week)}


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Plot]:
    folder = tmp_path_factory.mktemp("hostile")
    return plots(gathered(hostile_runs(), hostile_comparisons(), folder))


@pytest.fixture(scope="session")
def drawings(made: dict[str, Plot]) -> dict[str, str]:
    return {name: svg(plot) for name, plot in made.items()}
