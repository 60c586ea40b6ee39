"""Every comparison as a ratio of speeds with its interval: the forest plot.

The scale is logarithmic, so that twice as fast and half as fast lie equally far from 1. What lies
within the band of ± 1 % matters to few, whatever its interval says. An arm measured against itself
shows how much is noise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from functools import partial

from mlxbench.measure.findings import Finding
from mlxbench.report.arms import described
from mlxbench.report.comparison import METRIC_NAMES, Read
from mlxbench.report.format import counted
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import strips
from mlxbench.report.plots.axes import Axis, plain
from mlxbench.report.plots.grouping import UNKNOWN, grouped, machine_name, on_machines
from mlxbench.report.plots.plot import Plot
from mlxbench.report.plots.strips import Panel, Point, Strip
from mlxbench.report.plots.style import LIGHT, MUTED, WIDTH, Mark
from mlxbench.report.safe import one_line
from mlxbench.stats import PRACTICAL_DIFFERENCE, Verdict

MARKS = {
    "faster": Mark(LIGHT["1"], ">"),
    "slower": Mark(LIGHT["2"], "<"),
    "equivalent": Mark(LIGHT["3"], "s"),
    "inconclusive": Mark(LIGHT["4"], "o", hollow=True),
}
NULL = Mark(MUTED, "d", hollow=True)
BAND = (1 / (1 + PRACTICAL_DIFFERENCE), 1 + PRACTICAL_DIFFERENCE)
# The first ones first: what people look for on a scale of ratios.
ROUND = (
    *(1.0, 2.0, 0.5, 1.5, 1.2, 0.8, 3.0, 5.0, 10.0, 0.2, 0.1, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98),
    *(0.67, 0.3, 20.0, 50.0, 100.0, 0.05, 0.02, 0.01, 1.3, 1.01, 0.99),
)
MARGIN = 0.08  # of the scale's length, beyond the outermost interval
COLUMN = "ratio [95 % interval], n pairs"
MEANS = (
    "Each point is the speed of the arm over that of the arm it is compared with, from n "
    "interleaved pairs of trials, with its 95 % interval. The line is 1, the band ± 1 %. Triangles "
    "point to faster or slower (the interval excludes 1), squares are equal within 1 %, hollow "
    "circles show no difference, and hollow diamonds are an arm against itself: noise. Speed is "
    "decode speed (mean time per token) unless a heading says another."
)


def ratios(gathered: Gathered) -> Plot | None:
    """Every comparison that has a verdict, the newest first."""
    found = [one for one in gathered.comparisons if any(_usable(one))]
    if not found:
        return None

    def machine(one: Read) -> str:
        environment = gathered.environments.get(one.comparison.comparison_id)
        return machine_name(environment) if environment else UNKNOWN

    machines = grouped(found, machine)
    panels = [_panel(name, own) for name, own in machines.items()]
    commands = dict.fromkeys(one.comparison.command for one in reversed(found))
    return Plot(
        name="ratios",
        title=f"Ratios of speed in {counted(len(found), 'comparison')} {on_machines(machines)}",
        caption=MEANS,
        commands=tuple(commands),
        draw=partial(strips.draw, panels=panels),
        width_in=WIDTH,
        height_in=strips.height(panels),
    )


def _usable(found: Read) -> Iterator[tuple[Finding, Verdict]]:
    """Findings with a verdict; a winner's fresh pairs stand for it."""
    confirmed = found.confirmed
    for finding in found.findings:
        best = confirmed if confirmed and confirmed.arm == finding.arm else finding
        if best.verdict:
            yield best, best.verdict


def _panel(machine: str, found: Sequence[Read]) -> Panel:
    made: list[Strip] = []
    for heading, members in grouped(found, _heading).items():
        made.append(Strip(heading))
        own = [(one, *usable) for one in members for usable in _usable(one)]
        names = Counter(_label(one, finding.arm) for one, finding, _ in own)
        repeated = {name for name, count in names.items() if count > 1}
        made += [_strip(one, finding, verdict, repeated) for one, finding, verdict in own]
    return Panel(machine, COLUMN, _axis(strips.values(made)), tuple(made))


def _axis(values: Sequence[float]) -> Axis:
    low, high = min(*values, BAND[0]), max(*values, BAND[1])
    edge = math.exp(MARGIN * math.log(high / low))
    return Axis(
        "Ratio of speeds: left slower, right faster",
        low / edge,
        high * edge,
        log=True,
        candidates=ROUND,
        show=lambda value: f"{plain(value)}×",
        lines=(1.0,),
        band=BAND,
    )


def _heading(found: Read) -> str:
    """What all arms have in common, and what is compared if not the usual."""
    first, *others = described(found.comparison.arms)
    common = [part for part in first if all(part in other for other in others)]
    metric = found.comparison.metric
    return one_line(", ".join([*common, *([] if metric == "decode" else [METRIC_NAMES[metric]])]))


def _strip(found: Read, finding: Finding, verdict: Verdict, repeated: Container[str]) -> Strip:
    null, ratio = _is_null(found, finding.arm), verdict.speed_ratio
    label = _label(found, finding.arm)
    if label in repeated:
        label += f", {found.comparison.created_utc[:16].replace('T', ' ')}"
    point = Point(ratio.value, NULL if null else MARKS[verdict.word], ratio.low, ratio.high)
    bounds = "no interval"
    if ratio.low is not None:
        bounds = f"[{ratio.low:.3f}–{'∞' if ratio.high is None else f'{ratio.high:.3f}'}]"
    pairs = finding.effect.pairs if finding.effect else 0
    figures = f"{ratio.value:.3f}× {bounds}, n = {pairs}\n{verdict.word}"
    return Strip(label, (point,), figures, quiet=null)


def _is_null(found: Read, arm: int) -> bool:
    return found.comparison.null and arm == len(found.comparison.arms) - 1


def _label(found: Read, arm: int) -> str:
    """What tells the arm from the first one."""
    if _is_null(found, arm):
        return "null: the first arm\nagainst itself"
    arms = described(found.comparison.arms)
    first, own = arms[0], arms[arm]
    here = ", ".join(part for part in own if part not in first) or "the default"
    there = ", ".join(part for part in first if part not in own) or "the default"
    fresh = ", confirmed on fresh pairs" if found.confirmed and found.confirmed.arm == arm else ""
    return f"{one_line(here)}\nagainst {one_line(there)}{fresh}"
