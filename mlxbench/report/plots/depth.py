"""Decoding over depth: what was measured, the line that explains it, and the ceiling.

A token reads its weights and the keys and values of everything before it, so its time grows with
the context: t = bytes / bandwidth + overhead. Both constants are fitted to the points of one model,
whose kernels do not change with depth, so the overhead is all that the bytes do not explain. The
ceiling is the same without the overhead, at the bandwidth that the chip's maker states.

The horizontal scale is the context in the middle of the reply, depth + prompt + half the reply,
which is what the measured rate belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mlxbench import roofline
from mlxbench.records import Run, Timed
from mlxbench.report.format import milliseconds
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import grid
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
from mlxbench.report.plots.style import LIGHT, MARK_SIZE, WIDTH, Mark
from mlxbench.report.roofline_points import middle
from mlxbench.report.rows import SETTINGS
from mlxbench.report.safe import one_line
from mlxbench.roofline import Observation, TimeModel
from mlxbench.stats import Estimate

FITTED: Mapping[str, Any] = {"color": LIGHT["3"], "linewidth": 1.4, "linestyle": "-"}
CEILING: Mapping[str, Any] = {"color": LIGHT["2"], "linewidth": 1.4, "linestyle": (0, (4, 2))}
SWEPT = tuple(name for name in SETTINGS if name not in ("depth", "test"))


@dataclass(frozen=True, slots=True)
class Sweep:
    """One model's points over depth, with all else the same; sorted by context.

    `read` is the bytes of weights that a token reads, and those of each token before it; `None`
    where that is not known.
    """

    points: tuple[Shown, ...]
    read: tuple[float, float] | None

    @property
    def run(self) -> Run:
        return self.points[0].summary.run

    @property
    def contexts(self) -> list[float]:
        return [context(one) for one in self.points]

    def bytes_at(self, tokens: float) -> float | None:
        """What a token reads with so many before it; `None` where that is not known."""
        return roofline.bytes_per_token(*self.read, tokens) if self.read else None

    def fit(self) -> TimeModel | None:
        """The time of a token; over tokens of context where the bytes are not known."""
        return roofline.fit(
            [
                Observation(one.row.model, self._read(context(one)), 1, 1 / _tps(one))
                for one in self.points
            ]
        )

    def fitted_tps(self, model: TimeModel, tokens: float) -> float:
        return 1 / model.seconds(self._read(tokens), 1)

    def _read(self, tokens: float) -> float:
        known = self.bytes_at(tokens)
        return tokens if known is None else known


def sweep_of(points: Iterable[Shown]) -> Sweep:
    """These points as a sweep."""
    ordered = tuple(sorted(points, key=context))
    return Sweep(ordered, _bytes(ordered[0].summary.run))


def context(one: Shown) -> float:
    """Tokens before the one in the middle of the reply."""
    task = one.summary.run.arm.task
    assert isinstance(task, Timed)
    return middle(task)


def depth(gathered: Gathered) -> Plot | None:
    """Every model that was measured at two depths or more."""
    sweeps = _sweeps(shown(gathered, _counts))
    if not sweeps:
        return None
    ceilings = [sweep for sweep in sweeps if _bandwidth(sweep)]
    fits = [sweep for sweep in sweeps if sweep.fit()]
    made = Grid(
        cells=tuple(_cell(sweep) for sweep in sweeps),
        keys=_keys(sweeps, bool(fits), bool(ceilings)),
        across="tokens of context",
        upwards="tok/s",
        columns=min(2, len(sweeps)),
    )
    everything = [one for sweep in sweeps for one in sweep.points]
    machines = grouped(everything, lambda one: one.machine)
    return Plot(
        name="decode-over-depth",
        title=f"Decode rate of {models_in_words(everything)} over context, {on_machines(machines)}",
        caption=_caption(sweeps, len(fits), len(ceilings)),
        commands=commands_of(one.summary.run for one in everything),
        draw=partial(grid.draw, grid=made),
        width_in=WIDTH,
        height_in=grid.height(made),
    )


def _counts(one: Shown) -> bool:
    task = one.summary.run.arm.task
    timed = isinstance(task, Timed) and task.mode == "pipelined" and task.kind != "prefill"
    return timed and one.summary.decode_tps is not None


def _sweeps(results: Sequence[Shown]) -> list[Sweep]:
    found = []
    for members in grouped(
        results, lambda one: repr([getattr(one.row, name) for name in SWEPT])
    ).values():
        if len({context(one) for one in members}) > 1:
            found.append(sweep_of(members))
    best: dict[str, float] = {}
    for sweep in found:
        first = sweep.points[0]
        best[first.group] = max(best.get(first.group, 0.0), _tps(first))

    def place(sweep: Sweep) -> tuple[str, float, str, float]:
        first = sweep.points[0]
        return first.machine, -best[first.group], first.group, -_tps(first)

    return sorted(found, key=place)


def _tps(one: Shown) -> float:
    return _estimate(one).value


def _estimate(one: Shown) -> Estimate:
    assert one.summary.decode_tps is not None
    return one.summary.decode_tps


def _bytes(run: Run) -> tuple[float, float] | None:
    """What a token reads, counted from the checkpoint's own tensors; see `Sweep.read`."""
    known, options, task = run.checkpoint, run.arm.options, run.arm.task
    if known is None or options.routing or (isinstance(task, Timed) and task.batch_size > 1):
        return None
    found, kept = roofline.checkpoint_bytes(known), known.kv_bytes_per_token
    if found is None or known.shape is None or kept is None:
        return None
    if options.kv_bits:
        width = roofline.value_bytes(known)
        kept = roofline.kv_bytes_per_token(
            known.shape, options.kv_bits, options.kv_group_size, width
        )
    return found.active, kept


def _bandwidth(sweep: Sweep) -> float | None:
    return roofline.bandwidth_of(sweep.run.environment) if sweep.read else None


def _cell(sweep: Sweep) -> Cell:
    first = sweep.points[0]
    name = one_line(first.row.model)
    trials = sorted({one.row.n for one in sweep.points})
    n = f"{trials[0]}" if len(trials) == 1 else f"{trials[0]}–{trials[-1]}"
    fitted = sweep.fit()
    found = f"{len(sweep.points)} points, each of n = {n}"
    if fitted:
        found += f" · fit: {_fit_words(sweep, fitted)}"
    notes = (f"{label(first, name)} · {first.machine}", found)
    return Cell(name, notes, partial(_draw, sweep, fitted))


def _fit_words(sweep: Sweep, fitted: TimeModel) -> str:
    overhead = milliseconds(fitted.kernel_s)
    if sweep.read:
        return f"{fitted.bandwidth / 1e9:.3g} GB/s + {overhead}"
    return f"{milliseconds(1000 / fitted.bandwidth)} per 1,000 tokens + {overhead}"


def _draw(sweep: Sweep, fitted: TimeModel | None, axes: Axes) -> None:
    along = np.linspace(min(sweep.contexts), max(sweep.contexts), 60).tolist()
    highest = [max(_tps(one), _estimate(one).high or 0.0) for one in sweep.points]
    bandwidth = _bandwidth(sweep)
    if bandwidth and sweep.read:
        ceiling = [roofline.ceiling_tps(bandwidth, *sweep.read, tokens) for tokens in along]
        axes.plot(along, ceiling, **CEILING)
        highest.append(max(ceiling))
    if fitted:
        axes.plot(along, [sweep.fitted_tps(fitted, tokens) for tokens in along], **FITTED)
    mark = sweep.points[0].mark
    top = max(highest) * 1.1
    for one in sweep.points:
        _draw_point(axes, one, mark, top)
    axes.set_xlim(0, max(sweep.contexts) * 1.06)
    axes.set_ylim(0, top)


def _draw_point(axes: Axes, one: Shown, mark: Mark, top: float) -> None:
    found = _estimate(one)
    if found.low is not None:
        high = top if found.high is None else found.high
        axes.plot([context(one)] * 2, [found.low, high], color=mark.colour, linewidth=1.8)
    axes.plot([context(one)], [found.value], mark.marker, color=mark.colour, markersize=MARK_SIZE)


def _keys(sweeps: Sequence[Sweep], fits: bool, ceilings: bool) -> tuple[Key, ...]:
    engines = {one.row.engine: one.mark for sweep in sweeps for one in sweep.points[:1]}
    made = [
        Key(
            f"{engine}, with 95 % interval",
            {"color": mark.colour, "marker": mark.marker, "markersize": MARK_SIZE, "linestyle": ""},
        )
        for engine, mark in engines.items()
    ]
    made += [Key("fitted line", FITTED)] if fits else []
    made += [Key("ceiling of the memory", CEILING)] if ceilings else []
    return tuple(made)


def _caption(sweeps: Sequence[Sweep], fits: int, ceilings: int) -> str:
    parts = [
        "Each point is all tokens over all time of its n trials, with its 95 % interval over the "
        "trials of one session; a bar that cannot be seen is narrower than its point. Context is "
        "depth, prompt and half the reply."
    ]
    if fits:
        parts.append(
            "The line is the time of a token, bytes read / bandwidth + overhead, fitted to the "
            "points shown; tokens stand for bytes where those are unknown."
        )
    if fits < len(sweeps):
        parts.append("Where there is no line, the points do not determine both constants.")
    if ceilings:
        parts.append("The ceiling is what the bandwidth stated by the chip's maker allows.")
    if ceilings < len(sweeps):
        parts.append(
            "There is no ceiling where the bandwidth or the bytes that a token reads are unknown."
        )
    if any(sweep.points[0].row.synthetic for sweep in sweeps):
        parts.append(SYNTHETIC_MEANS)
    return " ".join(parts)
