"""Points with intervals on horizontal strips: the form of most plots here.

Each strip has its label at the left and its figures as text at the right, so nothing needs a legend
and no label can meet another. Strips under one bold heading belong together; strips of one panel
share a scale. Points beat bars: a bar's length says nothing that its end does not, and hides the
interval.

Everything is laid out in inches from measured text, so a figure grows with its strips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlxbench.report.plots.axes import Axis
from mlxbench.report.plots.style import (
    BAND,
    FG,
    GRID,
    LARGE,
    LINE,
    MARK_SIZE,
    MUTED,
    SMALL,
    WIDTH,
    Mark,
    Weight,
    wrapped,
    write,
)

LEFT, RIGHT, EDGE = 2.55, 2.05, 0.06  # inches: labels, figures, margins
GAP = 0.12  # between labels and the axes
AXES_WIDTH = WIDTH - LEFT - RIGHT - 2 * GAP - 2 * EDGE
PAD, HEADING_PAD = 0.06, 0.1  # between strips, and above a heading
TICKS, AXIS_LABEL, AFTER_PANEL = 0.22, 0.2, 0.16


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its mark; an interval whose upper end is missing reaches the axis's end."""

    value: float
    mark: Mark
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """One label and its points; without points it is a heading. A quiet one is not ours.

    Labels and figures may have line breaks of ours: foreign text comes on a single line.
    """

    label: str
    points: tuple[Point, ...] = ()
    figures: str = ""
    quiet: bool = False

    @property
    def heading(self) -> bool:
        return not self.points


@dataclass(frozen=True, slots=True)
class Panel:
    """Strips on one scale; `title` says what they have in common, `column` heads their figures."""

    title: str
    column: str
    axis: Axis
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A strip with its lines of text and where it begins and ends, in inches."""

    strip: Strip
    label: list[str]
    figures: list[str]
    top: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def values(strips: Sequence[Strip]) -> list[float]:
    """Everything that a scale must show."""
    points = [point for strip in strips for point in strip.points]
    ends = [(point.value, point.low, point.high) for point in points]
    return [value for three in ends for value in three if value is not None]


def height(panels: Sequence[Panel]) -> float:
    """Inches that the panels take, one below the other."""
    return sum(_height(panel) for panel in panels)


def draw(figure: Figure, panels: Sequence[Panel]) -> None:
    """Draw the panels into an empty figure of `height(panels)` inches."""
    top = 0.0
    for panel in panels:
        _draw_panel(figure, panel, top)
        top += _height(panel)


def _height(panel: Panel) -> float:
    placed = _placed(panel, 0.0)
    return placed[-1].top + placed[-1].height + PAD + TICKS + AXIS_LABEL + AFTER_PANEL


def _title(panel: Panel) -> list[str]:
    return wrapped(panel.title, WIDTH - RIGHT - 2 * EDGE - GAP, most=2, size=LARGE, weight="bold")


def _placed(panel: Panel, top: float) -> list[_Placed]:
    y = top + len(_title(panel)) * LINE * 1.2 + PAD
    placed = []
    for strip in panel.strips:
        weight: Weight = "bold" if strip.heading else "normal"
        label = _lines(strip.label, LEFT, weight)
        figures = _lines(strip.figures, RIGHT, "normal")
        lines = max(len(label), len(figures))
        y += HEADING_PAD if strip.heading else 0.0
        placed.append(_Placed(strip, label, figures, y, lines * LINE))
        y += lines * LINE + PAD
    return placed


def _lines(text: str, width: float, weight: Weight) -> list[str]:
    """Three lines at most, or two for each where there are breaks."""
    parts = text.split("\n")
    most = 3 if len(parts) == 1 else 2
    return [line for part in parts for line in wrapped(part, width, most=most, weight=weight)]


def _draw_panel(figure: Figure, panel: Panel, top: float) -> None:
    placed = _placed(panel, top)
    for index, line in enumerate(_title(panel)):
        write(figure, EDGE, top + LINE * (0.6 + 1.2 * index), line, size=LARGE, weight="bold")
    write(figure, WIDTH - EDGE - RIGHT, top + LINE * 0.6, panel.column, size=SMALL, colour=MUTED)
    for one in placed:
        _write_strip(figure, one)
    begin, end = placed[0].top, placed[-1].top + placed[-1].height + PAD
    axes = _axes(figure, panel.axis, begin, end)
    for one in placed:
        for point in one.strip.points:
            _draw_point(axes, panel.axis, point, one.middle)
    middle = EDGE + LEFT + GAP + AXES_WIDTH / 2
    where = end + TICKS + AXIS_LABEL / 2
    write(figure, middle, where, panel.axis.label, size=SMALL, colour=MUTED, align="center")


def _write_strip(figure: Figure, one: _Placed) -> None:
    weight: Weight = "bold" if one.strip.heading else "normal"
    colour = MUTED if one.strip.quiet else FG
    for x, lines in ((EDGE, one.label), (WIDTH - EDGE - RIGHT, one.figures)):
        for index, line in enumerate(lines):
            y = one.middle + (index - (len(lines) - 1) / 2) * LINE
            write(figure, x, y, line, colour=colour, weight=weight)


def _axes(figure: Figure, axis: Axis, begin: float, end: float) -> Axes:
    """Axes whose vertical coordinate is inches from the upper edge of the figure."""
    width, total = figure.get_size_inches()
    axes = figure.add_axes(
        ((EDGE + LEFT + GAP) / width, 1 - end / total, AXES_WIDTH / width, (end - begin) / total)
    )
    axes.set_xscale("log" if axis.log else "linear")
    axes.set_xlim(axis.low, axis.high)
    axes.set_ylim(end, begin)
    axes.set_yticks([])
    ticks = axis.ticks(AXES_WIDTH)
    axes.set_xticks(ticks, [axis.show(tick) for tick in ticks], size=SMALL, parse_math=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="x", length=3)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if axis.band:
        axes.axvspan(*axis.band, facecolor=BAND, edgecolor="none", zorder=0)
    for line in axis.lines:
        axes.axvline(line, color=MUTED, linewidth=1.0, zorder=1)
    return axes


def _draw_point(axes: Axes, axis: Axis, point: Point, y: float) -> None:
    colour = point.mark.colour
    if point.low is not None:
        high = point.high if point.high is not None else axis.high
        low = max(point.low, axis.low)
        axes.plot([low, high], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
        if point.high is None:
            axes.plot([high], [y], ">", color=colour, markersize=4, clip_on=False)
    axes.plot(
        [point.value],
        [y],
        point.mark.marker,
        color=colour,
        markerfacecolor=point.mark.fill,
        markersize=MARK_SIZE,
        markeredgewidth=1.2,
        zorder=3,
        clip_on=False,
    )
