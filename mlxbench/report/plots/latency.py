"""The time of each token, one after the other: where a rate hides stalls, this shows them.

Only stepped trials have such times: there every token is waited for before the next one is begun.
That makes them slower than the pipelined trials of the rates, so the two never share a plot.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from mlxbench.records import Completed, Run
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import grid
from mlxbench.report.plots.axes import LOG_FROM
from mlxbench.report.plots.grid import Cell, Grid, Key
from mlxbench.report.plots.grouping import (
    SYNTHETIC_MEANS,
    Shown,
    grouped,
    label,
    models_in_words,
    on_machines,
    shown,
)
from mlxbench.report.plots.plot import Plot, commands_of
from mlxbench.report.plots.style import LIGHT, WIDTH
from mlxbench.report.safe import one_line

MEDIAN: Mapping[str, Any] = {"color": LIGHT["1"], "linewidth": 1.2}
RANGE: Mapping[str, Any] = {
    "color": LIGHT["1"],
    "linewidth": 7,
    "alpha": 0.3,
    "solid_capstyle": "butt",
}
MEANS = (
    "Each token was waited for before the next was begun (stepped mode). The line is the median of "
    "n trials at each token, the band reaches from the fastest of them to the slowest: it is no "
    "interval. The first token, which ends the prompt, is left out."
)

Gaps = npt.NDArray[np.float64]


def latency(gathered: Gathered) -> Plot | None:
    """The stepped results whose trials have two gaps or more."""
    results = [
        (one, found)
        for one in shown(gathered, lambda one: one.row.mode == "stepped")
        if (found := gaps(one.summary.run)).shape[1] > 1
    ]
    if not results:
        return None
    made = Grid(
        cells=tuple(_cell(one, found) for one, found in results),
        keys=(Key("median of the trials", MEDIAN), Key("fastest to slowest trial", RANGE)),
        across="token of the reply",
        upwards="ms per token",
        columns=1 if len(results) <= 2 else 2,
    )
    machines = grouped(results, lambda pair: pair[0].machine)
    synthetic = any(one.row.synthetic for one, _ in results)
    models = models_in_words([one for one, _ in results])
    return Plot(
        name="itl-trace",
        title=f"Time of each token of {models} {on_machines(machines)}",
        caption=f"{MEANS} {SYNTHETIC_MEANS}" if synthetic else MEANS,
        commands=commands_of(one.summary.run for one, _ in results),
        draw=partial(grid.draw, grid=made),
        width_in=WIDTH,
        height_in=grid.height(made),
    )


def gaps(run: Run) -> Gaps:
    """Seconds from token to token: a row for each measured trial, as long as the shortest."""
    stamps = [
        record.trial.stamps
        for record in run.trials
        if record.phase == "measured" and isinstance(record.trial, Completed)
    ]
    shortest = min(map(len, stamps), default=0)
    if shortest < 2:
        return np.empty((0, 0))
    return np.diff(np.array([row[:shortest] for row in stamps]), axis=1)


def _cell(one: Shown, found: Gaps) -> Cell:
    name = one_line(one.row.model)
    note = f"{label(one, name)} · {one.machine} · n = {len(found)}"
    return Cell(name, (note,), partial(_draw, found * 1e3))


def _draw(found: Gaps, axes: Axes) -> None:
    tokens = np.arange(2, found.shape[1] + 2)
    low, high = found.min(axis=0), found.max(axis=0)
    if len(found) > 1:
        axes.fill_between(tokens, low, high, color=LIGHT["1"], alpha=0.3, linewidth=0)
    axes.plot(tokens, np.median(found, axis=0), **MEDIAN)
    axes.set_xlim(1, tokens[-1] + 1)
    _scale(axes, float(low[low > 0].min(initial=float(high.max()))), float(high.max()))


def _scale(axes: Axes, low: float, high: float) -> None:
    """From 0, so that a wobble looks as small as it is; logarithmic where stalls are huge."""
    if high / low > LOG_FROM:
        grid.logarithmic(axes, low / 1.2, high * 1.2)
    else:
        axes.set_ylim(0, high * 1.08)
