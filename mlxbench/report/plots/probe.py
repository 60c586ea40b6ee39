"""What each model noticed: passes of n replies with Wilson's interval, beside the note's verdicts.

A verdict of one attempt says little, and its interval shows how little: 0 of 1 reaches up to 79 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mlxbench.records import Reference
from mlxbench.report.format import counted
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import strips
from mlxbench.report.plots.axes import Axis
from mlxbench.report.plots.grouping import grouped, machine_name, on_machines
from mlxbench.report.plots.plot import Plot, commands_of
from mlxbench.report.plots.strips import Panel, Point, Strip
from mlxbench.report.plots.style import LIGHT, PUBLISHED, WIDTH, Mark
from mlxbench.report.probe_tables import arm_name, share
from mlxbench.report.probes import ProbeResult
from mlxbench.report.safe import one_line
from mlxbench.stats import wilson

PASS, FAIL = Mark(LIGHT["1"], "o"), Mark(LIGHT["2"], "o", hollow=True)
SUITES = ("fomo", "ladder", "heldout", "controls")
COLUMN = "passes of n [95 % interval]"
AXIS = Axis(
    "Share of replies that pass; the line at 50 % is what PASS needs",
    low=-0.02,
    high=1.02,
    candidates=(0.0, 1.0, 0.5, 0.25, 0.75),
    show=lambda value: f"{100 * value:.0f} %",
    lines=(0.5,),
)
MEANS = (
    "Each point is the share of replies whose final answer gives the hidden phrase, with Wilson's "
    "95 % interval for n replies; a reply cut by its token budget counts as none. A control hides "
    "nothing, and passes if nothing is claimed."
)
PUBLISHED_MEANS = "Hollow diamonds are published verdicts, of one attempt each."


def probe(gathered: Gathered) -> Plot | None:
    """Every probe that got replies."""
    results = [one for one in gathered.probes if one.replies]
    if not results:
        return None
    machines = grouped(results, lambda one: machine_name(one.run.environment))
    panels = [_panel(machine, own, gathered) for machine, own in machines.items()]
    models = counted(len({one.run.arm.target.model for one in results}), "model")
    beside = any(strip.quiet for panel in panels for strip in panel.strips)
    end = ", beside published verdicts" if beside else ""
    return Plot(
        name="probe",
        title=f"What {models} noticed of a hidden phrase {on_machines(machines)}{end}",
        caption=f"{MEANS} {PUBLISHED_MEANS}" if beside else MEANS,
        commands=commands_of(one.run for one in results),
        draw=partial(strips.draw, panels=panels),
        width_in=WIDTH,
        height_in=strips.height(panels),
    )


def _panel(machine: str, results: Sequence[ProbeResult], gathered: Gathered) -> Panel:
    made: list[Strip] = []
    for name, members in grouped(results, lambda one: one_line(one.run.arm.target.model)).items():
        made.append(Strip(_heading(name, members[0])))
        made += [_strip(one) for one in sorted(members, key=_place)]
        found = gathered.references.get(members[0].run.arm.target.model, ())
        made += [_published(reference) for reference in found if reference.probe]
    return Panel(machine, COLUMN, AXIS, tuple(made))


def _heading(name: str, first: ProbeResult) -> str:
    engine = first.run.arm.target.engine
    return name if engine == "mlx" else f"{name} ({engine})"


def _place(one: ProbeResult) -> tuple[int, str]:
    known = SUITES.index(one.suite) if one.suite in SUITES else len(SUITES)
    return known, arm_name(one.run)


def _strip(one: ProbeResult) -> Strip:
    found = one.share
    assert found is not None
    point = Point(found.value, PASS if one.verdict == "PASS" else FAIL, found.low, found.high)
    figures = f"{one.verdict} {one.passes} of {len(one.replies)} [{share(found)}]"
    cut = f", {one.truncated} cut" if one.truncated else ""
    return Strip(one_line(arm_name(one.run)), (point,), figures + cut)


def _published(reference: Reference) -> Strip:
    passes = int(reference.probe == "PASS")
    found = wilson(passes, 1)
    label = one_line(f"published: {reference.engine}, {reference.machine}, fomo, script")
    figures = f"{reference.probe} {passes} of 1 [{share(found)}]"
    point = Point(found.value, PUBLISHED, found.low, found.high)
    return Strip(label, (point,), one_line(figures), quiet=True)
