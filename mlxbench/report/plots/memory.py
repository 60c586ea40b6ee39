"""Peak memory: what was predicted before the load, and what was measured.

The peak is that of the whole process. Where several models were in memory together, it is theirs
together, as the prediction is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mlxbench.report.format import GIB
from mlxbench.report.format import memory as shown_size
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import strips
from mlxbench.report.plots.axes import amounts
from mlxbench.report.plots.grouping import (
    Shown,
    grouped,
    headings,
    labels,
    models_in_words,
    on_machines,
    shown,
)
from mlxbench.report.plots.plot import Plot, commands_of
from mlxbench.report.plots.strips import Panel, Point, Strip
from mlxbench.report.plots.style import MUTED, WIDTH, Mark

PREDICTED = Mark(MUTED, "D", hollow=True)
COLUMN = "measured (predicted), n trials"
MEANS = (
    "Filled points are the highest memory in n trials, a maximum without an interval; hollow "
    "diamonds are what was predicted before the load (weights, KV cache, activations, "
    "a tenth to spare), in brackets against what was measured. Of each model the least and the "
    "most demanding test are shown. Models in memory together are counted together."
)


def memory(gathered: Gathered) -> Plot | None:
    """Measured against predicted peaks, by machine."""
    measured = shown(gathered, lambda one: _peak(one) > 0)
    results = _extremes(measured)
    if not results:
        return None
    machines = grouped(results, lambda one: one.machine)
    panels = [_panel(machine, own) for machine, own in machines.items()]
    of_what = f"{models_in_words(results)} {on_machines(machines)}"
    return Plot(
        name="resident-memory",
        title=f"Peak memory of {of_what}, measured and predicted",
        caption=MEANS,
        commands=commands_of(one.summary.run for one in results),
        draw=partial(strips.draw, panels=panels),
        width_in=WIDTH,
        height_in=strips.height(panels),
    )


def _extremes(results: Sequence[Shown]) -> list[Shown]:
    """Of each model, alone or beside the same others, the least and the most demanding."""
    made: dict[str, Shown] = {}
    for own in grouped(results, _who).values():
        ordered = sorted(own, key=_peak)
        made |= {one.row.run_id: one for one in (ordered[0], ordered[-1])}
    return list(made.values())


def _who(one: Shown) -> str:
    return repr((one.machine, one.row.model, one.row.engine, one.row.resident, one.row.synthetic))


def _peak(one: Shown) -> int:
    return one.row.peak_memory_bytes or 0


def _panel(machine: str, results: Sequence[Shown]) -> Panel:
    models = grouped(results, lambda one: one.group)
    names = headings(models)
    largest = max(_peak(one) for one in results)
    unit, name = (GIB, "GiB") if largest >= GIB // 10 else (1 << 20, "MiB")
    made: list[Strip] = []
    for key in sorted(models, key=lambda key: -max(_peak(one) for one in models[key])):
        members = sorted(models[key], key=lambda one: (one.row.resident is not None, _peak(one)))
        made.append(Strip(names[key]))
        made += [
            _strip(label, one, unit)
            for label, one in zip(labels(members, names[key]), members, strict=True)
        ]
    return Panel(machine, COLUMN, amounts(f"Peak memory, {name}", strips.values(made)), tuple(made))


def _strip(label: str, one: Shown, unit: int) -> Strip:
    measured, predicted = _peak(one), one.row.predicted_memory_bytes
    points, off = [Point(measured / unit, one.mark)], "no prediction"
    if predicted is not None:
        points.insert(0, Point(predicted / unit, PREDICTED))
        off = f"{100 * (predicted / measured - 1):+.0f} %"
    return Strip(label, tuple(points), f"{shown_size(measured)} ({off}), n = {one.row.n}")
