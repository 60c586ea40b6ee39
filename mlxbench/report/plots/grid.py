"""Small plots beside each other, each with its own scale: the form for curves.

Curves of several models in one plot cross, need a legend, and press the slow ones to the floor.
Side by side each can be read, and its title says what it is. What all have in common is explained
once, above them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mlxbench.report.plots.axes import decades, plain
from mlxbench.report.plots.style import (
    GRID,
    LARGE,
    LINE,
    MUTED,
    SMALL,
    WIDTH,
    text_width,
    wrapped,
    write,
)

EDGE, GUTTER = 0.06, 0.3  # inches
NUMBERS = 0.52  # left of the axes, for the numbers of the vertical scale
LAST_NUMBER = 0.2  # right of them, for half of the last number of the other
AXES_HEIGHT, BELOW, AFTER = 1.75, 0.42, 0.16
UPWARDS = 0.32  # above the axes, for what the vertical scale counts
KEYS = 0.26  # a line of explanations
SAMPLE, KEY_GAP = 0.3, 0.35  # in it: the length of a sample, and from one to the next
APART = 0.15  # of a logarithmic scale's length, from one tick to the next


@dataclass(frozen=True, slots=True)
class Key:
    """What a line or a mark means; `style` are arguments of matplotlib's `Line2D`."""

    text: str
    style: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One small plot; `notes` say n and conditions, each from a new line."""

    title: str
    notes: tuple[str, ...]
    draw: Callable[[Axes], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """All of them; `columns` beside each other."""

    cells: tuple[Cell, ...]
    keys: tuple[Key, ...]
    across: str
    upwards: str
    columns: int = 2

    @property
    def width(self) -> float:
        """Inches of a cell."""
        return (WIDTH - 2 * EDGE - (self.columns - 1) * GUTTER) / self.columns

    def rows(self) -> list[tuple[Cell, ...]]:
        step = self.columns
        return [self.cells[first : first + step] for first in range(0, len(self.cells), step)]


def height(grid: Grid) -> float:
    """Inches that the grid takes."""
    return _keys_height(grid) + sum(_height(grid, row) for row in grid.rows())


def draw(figure: Figure, grid: Grid) -> None:
    """Draw the grid into an empty figure of `height(grid)` inches."""
    _draw_keys(figure, grid.keys)
    top = _keys_height(grid)
    for row in grid.rows():
        words = _words_height(grid, row)
        for column, cell in enumerate(row):
            _draw_cell(figure, grid, cell, EDGE + column * (grid.width + GUTTER), top, words)
        top += _height(grid, row)


def _height(grid: Grid, row: Sequence[Cell]) -> float:
    return _words_height(grid, row) + AXES_HEIGHT + BELOW + AFTER


def _words(grid: Grid, cell: Cell) -> tuple[list[str], list[str]]:
    title = wrapped(cell.title, grid.width, most=2, size=LARGE, weight="bold")
    notes = (wrapped(note, grid.width, size=SMALL) for note in cell.notes)
    return title, [line for lines in notes for line in lines]


def _words_height(grid: Grid, row: Sequence[Cell]) -> float:
    both = [_words(grid, cell) for cell in row]
    return max(1.2 * len(title) + len(notes) for title, notes in both) * LINE + UPWARDS


def _draw_cell(figure: Figure, grid: Grid, cell: Cell, x: float, top: float, words: float) -> None:
    title, notes = _words(grid, cell)
    y = top + LINE * 0.6
    for line in title:
        write(figure, x, y, line, size=LARGE, weight="bold")
        y += LINE * 1.2
    for line in notes:
        write(figure, x, y, line, size=SMALL, colour=MUTED)
        y += LINE
    begin, end = top + words, top + words + AXES_HEIGHT
    total = figure.get_size_inches()[1]
    width = grid.width - NUMBERS - LAST_NUMBER
    axes = figure.add_axes(
        ((x + NUMBERS) / WIDTH, 1 - end / total, width / WIDTH, AXES_HEIGHT / total)
    )
    axes.xaxis.set_major_locator(MaxNLocator(5 if grid.columns > 1 else 8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    cell.draw(axes)
    _finish(axes)
    middle = x + NUMBERS + width / 2
    write(figure, middle, end + 0.32, grid.across, size=SMALL, colour=MUTED, align="center")
    write(figure, x, begin - 0.14, grid.upwards, size=SMALL, colour=MUTED)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A vertical scale for values that differ much, with round numbers."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks: list[float] = []
    for tick in decades(low, high):
        apart = [abs(math.log(tick / other)) for other in ticks]
        if low <= tick <= high and min(apart, default=math.inf) > APART * math.log(high / low):
            ticks.append(tick)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())


def _finish(axes: Axes) -> None:
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        axis.set_ticks([tick for tick in axis.get_majorticklocs() if low <= tick <= high])
    formatter = FuncFormatter(lambda value, _: plain(value))
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_formatter(formatter)
    axes.tick_params(labelsize=SMALL, length=3)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)


def _keys_height(grid: Grid) -> float:
    return (max(row for row, _ in _key_places(grid.keys)) + 1) * KEYS + 0.06


def _key_places(keys: Sequence[Key]) -> list[tuple[int, float]]:
    """The row of each key, and inches from the left: side by side as far as there is room."""
    places, row, x = [], 0, EDGE
    for key in keys:
        width = SAMPLE + 0.08 + text_width(key.text, SMALL)
        if x > EDGE and x + width > WIDTH - EDGE:
            row, x = row + 1, EDGE
        places.append((row, x))
        x += width + KEY_GAP
    return places


def _draw_keys(figure: Figure, keys: Sequence[Key]) -> None:
    total = figure.get_size_inches()[1]
    for key, (row, x) in zip(keys, _key_places(keys), strict=True):
        middle = (row + 0.5) * KEYS
        along = [x / WIDTH, (x + SAMPLE / 2) / WIDTH, (x + SAMPLE) / WIDTH]
        figure.add_artist(Line2D(along, [1 - middle / total] * 3, markevery=[1], **key.style))
        write(figure, x + SAMPLE + 0.08, middle, key.text, size=SMALL, colour=MUTED)
