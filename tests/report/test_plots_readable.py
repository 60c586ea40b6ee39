"""That every plot can be read, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.transforms import Bbox

from mlxbench.records import (
    Timed,
)
from mlxbench.report.plots import (
    NAMES,
    Plot,
    axes,
    plots,
    style,
    svg,
)
from tests.report import plot_samples as samples
from tests.report.plotted import (
    HOSTILE,
    MODEL,
    along,
    boxes,
    drawn,
    gathered,
    texts,
)


def unreadable(plot: Plot) -> list[str]:
    """Text that leaves the picture or lies on other text."""
    figure = drawn(plot)
    found = list(boxes(figure))
    width, height = figure.get_size_inches() * figure.dpi
    wrong = [
        f"cut: {text}"
        for text, box in found
        if box.x0 < -0.5 or box.x1 > width + 0.5 or box.y0 < -0.5 or box.y1 > height + 0.5
    ]
    for (first, a), (second, b) in combinations(found, 2):
        shared = Bbox.intersection(a, b)
        if shared is not None and shared.width > 0.5 and shared.height > 2:
            wrong.append(f"{first!r} on {second!r}")
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_cut_or_lies_on_other_text(made: dict[str, Plot], name: str) -> None:
    assert unreadable(made[name]) == []


def test_long_and_foreign_names_and_huge_ranges_can_be_read_too(hostile: list[Plot]) -> None:
    assert {plot.name for plot in hostile} >= set(NAMES) - {"resident-memory"}
    for plot in hostile:
        assert unreadable(plot) == [], plot.name


def test_the_last_number_of_a_scale_is_not_cut(tmp_path: Path) -> None:
    runs = [
        samples.timed(model, Timed("decode", 512, 32, tokens), number=tokens + place, n=2)
        for place, model in enumerate(list(samples.MODELS)[:2])
        for tokens in (0, 1024)  # up to 1,552 tokens of context, so that 1,600 is the last number
    ]
    found = {plot.name: plot for plot in plots(gathered(runs, [], tmp_path))}
    assert unreadable(found["decode-over-depth"]) == []


def test_a_line_of_text_is_never_wider_than_its_place() -> None:
    for name in HOSTILE:
        for width in (0.3, 1.0, 2.5):
            lines = style.wrapped(name, width)
            assert 1 <= len(lines) <= 3
            assert all(style.text_width(line) <= width for line in lines)
    assert style.wrapped("qwen3-235b-a22b", 10) == ["qwen3-235b-a22b"]
    assert style.wrapped("x" * 90, 0.5)[-1].endswith("…")
    assert style.wrapped("", 1.0) == [""]
    assert style.wrapped("with mlx 0.32.4, and", 0.92) == ["with mlx", "0.32.4, and"]


def test_ticks_have_room_for_their_numbers_whatever_the_range() -> None:
    for low, high in ((0.5, 400), (0.001, 0.002), (1, 1e9), (30, 31), (1e-7, 1e7)):
        scale = axes.amounts("", [low, high])
        ticks = scale.ticks(3.0)
        assert 2 <= len(ticks) <= 12, (low, high)
        assert all(scale.low <= tick <= scale.high for tick in ticks)
        assert scale.low < low and scale.high > high
    assert axes.even_steps(137.0) == [0, 25, 50, 75, 100, 125]
    assert axes.amounts("", []).high > 0


def test_an_interval_without_an_upper_end_reaches_the_edge(tmp_path: Path) -> None:
    run = samples.timed(MODEL, Timed("decode", 8, 4), n=2, pace_s=0.01)
    slow = samples.timed(MODEL, Timed("decode", 8, 4), n=1, pace_s=0.9).trials[0]
    wild = replace(run, trials=(run.trials[0], replace(slow, sequence=1)))
    plot = plots(gathered([wild], [], tmp_path))[0]
    assert any("–∞], n = 2" in text for text in texts(svg(plot)))
    axis = drawn(plot).axes[0]
    assert max(along(line)[-1] for line in axis.lines) == pytest.approx(axis.get_xlim()[1])
