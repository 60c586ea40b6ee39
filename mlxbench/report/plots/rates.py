"""Decode and prefill rates by model, each on its own machine, beside what others published."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mlxbench.records import Timed
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import strips
from mlxbench.report.plots.axes import amounts
from mlxbench.report.plots.grouping import (
    SYNTHETIC_MEANS,
    Shown,
    estimate_strip,
    grouped,
    headings,
    labels,
    models_in_words,
    on_machines,
    published,
    published_strip,
    shown,
    versions_of,
)
from mlxbench.report.plots.plot import Plot, commands_of
from mlxbench.report.plots.strips import Panel, Strip
from mlxbench.report.plots.style import WIDTH
from mlxbench.report.rows import SETTINGS
from mlxbench.stats import Estimate

COLUMN = "tok/s [95 % interval], n trials"
HOW = (
    "Each point is all tokens over all time of n trials, its bar the 95 % interval over the trials "
    "of one session; a bar that cannot be seen is narrower than its point. One trial has none."
)
PUBLISHED_MEANS = (
    "Hollow diamonds are published figures: measured by others, on the machine and with the "
    "program named there, and without an interval."
)


def decode(gathered: Gathered) -> Plot | None:
    """Tokens per second of the reply; of a sweep over depths the smallest depth alone."""
    results = _shallowest(shown(gathered, _is_decode))
    return _plot("decode-by-model", "Decode rate", "decode_tps", results, gathered)


def prefill(gathered: Gathered) -> Plot | None:
    """Tokens per second of the prompt."""
    results = shown(gathered, lambda one: one.summary.prefill_tps is not None and _is_timed(one))
    return _plot("prefill-by-model", "Prefill rate", "prefill_tps", results, gathered)


def _is_decode(one: Shown) -> bool:
    """Stepped trials measure something else; a probe's replies differ in length."""
    return one.summary.decode_tps is not None and one.row.mode != "stepped" and _is_timed(one)


def _is_timed(one: Shown) -> bool:
    return isinstance(one.summary.run.arm.task, Timed) or one.row.workload == "lab-note"


def _shallowest(results: Sequence[Shown]) -> list[Shown]:
    names = [name for name in SETTINGS if name not in ("depth", "test")]
    best: dict[tuple[object, ...], Shown] = {}
    for one in results:
        key = tuple(getattr(one.row, name) for name in names)
        if key not in best or (one.row.depth or 0) < (best[key].row.depth or 0):
            best[key] = one
    return list(best.values())


def _plot(
    name: str, what: str, field: str, results: Sequence[Shown], gathered: Gathered
) -> Plot | None:
    if not results:
        return None
    machines = grouped(results, lambda one: one.machine)
    panels = [_panel(machine, what, field, own, gathered) for machine, own in machines.items()]
    beside = field == "decode_tps" and any(
        one.decode_tps for one in published(results, gathered.references)
    )
    end = ", beside published figures" if beside else ""
    return Plot(
        name=name,
        title=f"{what} of {models_in_words(results)} {on_machines(machines)}{end}",
        caption=_caption(results, beside),
        commands=commands_of(one.summary.run for one in results),
        draw=partial(strips.draw, panels=panels),
        width_in=WIDTH,
        height_in=strips.height(panels),
    )


def _panel(
    machine: str, what: str, field: str, results: Sequence[Shown], gathered: Gathered
) -> Panel:
    models = grouped(results, lambda one: one.group)
    names = headings(models)
    fastest = sorted(models, key=lambda key: -max(_rate(one, field).value for one in models[key]))
    made: list[Strip] = []
    for key in fastest:
        made += _strips(names[key], field, models[key])
        if field == "decode_tps":
            found = map(published_strip, published(models[key], gathered.references))
            made += [strip for strip in found if strip]
    return Panel(machine, COLUMN, amounts(f"{what}, tok/s", strips.values(made)), tuple(made))


def _strips(name: str, field: str, members: Sequence[Shown]) -> list[Strip]:
    ordered = sorted(members, key=_place)
    named = zip(labels(ordered, name), ordered, strict=True)
    return [
        Strip(name),
        *(estimate_strip(label, one.mark, _rate(one, field)) for label, one in named),
    ]


def _place(one: Shown) -> tuple[bool, bool, int]:
    """Ours first, what stands alone in memory before what shares it, small prompts before large."""
    return one.row.engine != "mlx", one.row.resident is not None, one.row.prompt_tokens or 0


def _rate(one: Shown, field: str) -> Estimate:
    found: Estimate = getattr(one.summary, field)
    return found


def _caption(results: Sequence[Shown], beside: bool) -> str:
    parts = [
        HOW,
        PUBLISHED_MEANS if beside else "",
        SYNTHETIC_MEANS if any(one.row.synthetic for one in results) else "",
        f"Measured with {versions_of(results)}." if versions_of(results) else "",
    ]
    return " ".join(part for part in parts if part)
