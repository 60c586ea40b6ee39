"""What tests of plots share: stores of samples, and how to look at a drawing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mlxbench.records import (
    Arm,
    Checkpoint,
    Comparison,
    Completed,
    Run,
    Target,
    Timed,
)
from mlxbench.report.gathering import Gathered, gather
from mlxbench.report.plots import (
    Plot,
    style,
)
from mlxbench.store import Store
from tests.report import plot_samples as samples
from tests.report import plot_week
from tests.report.probe_samples import CUT, RIGHT

MODEL = "qwen3-32b"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert('x')</script>",
    "red\x1b[31m\u202egnp.exe",
    "$\\frac{1}{2}$ _x_ &amp; #ffffff url(#a)",
    "community/A-Model-235B-A22B-Instruct-2507-4bit-with-a-suffix-that-goes-on-and-on-and-on-and-on",
    "千問三 😀",
    "x" * 90,
)


def gathered(
    runs: Sequence[Run], compared: Sequence[tuple[Comparison, list[Run]]], folder: Path
) -> Gathered:
    store = Store.open(folder / "results.db")
    try:
        for run in [*runs, *(one for _, own in compared for one in own)]:
            store.add_run(run)
        for comparison, _ in compared:
            store.add_comparison(comparison)
        return gather(store, samples.references())
    finally:
        store.close()


def a_week() -> list[Run]:
    return [
        *plot_week.decode_runs(),
        *plot_week.prefill_runs(),
        *plot_week.stepped_runs(),
        *plot_week.small_runs(),
        *plot_week.probe_runs(),
    ]


def hostile_runs() -> list[Run]:
    """Names that are other people's text, paces from 0.5 to 400 tok/s, one to three trials."""
    made = []
    paces = (2.0, 0.0025, 0.01, 0.1, 1.0, 0.003)
    for place, (name, pace) in enumerate(zip(HOSTILE, paces, strict=True)):
        target = Target("mlx", name, "somewhere", "directory")
        known = Checkpoint(name, "directory", "somewhere", fingerprint=name)
        machine = replace(samples.LINUX, cpu=f"CPU {HOSTILE[0]} {'Z' * 70}")
        if place % 2:
            machine = samples.LINUX
        tasks = [
            *(Timed("decode", 64, 32, tokens) for tokens in (0, 100)),
            *(Timed("decode", 64, 16, mode="stepped"), Timed("prefill", 64, 1)),
        ]
        made += [
            samples.timed(
                *(name, task),
                number=10 * place + step,
                n=1 + place % 3,
                environment=machine,
                target=target,
                known=known,
                pace_s=pace * (1 + task.depth / 500),
            )
            for step, task in enumerate(tasks)
        ]
        replies = [RIGHT] * place + [CUT]
        made.append(samples.probed(MODEL, f"suite {name[:40]}", replies, number=10 * place + 7))
    return made


def hostile_comparisons() -> list[tuple[Comparison, list[Run]]]:
    arms = [Arm(Target("mlx", name, "", "directory"), Timed("decode", 64, 16)) for name in HOSTILE]
    speeds = (0.002, 50, 1, 1.0001, 0.5, 3)
    return [
        samples.comparison(
            arms[place],
            [(arms[(place + 1) % len(arms)], speed)],
            number=900 + place,
            noise=0.2 if place == 4 else 0.001,
            rounds=4,
            metric="median-gap",
        )
        for place, speed in enumerate(speeds)
    ]


def drawn(plot: Plot) -> Figure:
    with style.house_style(plot.name):
        figure = Figure(figsize=(plot.width_in, plot.height_in), dpi=100)
        FigureCanvasAgg(figure)
        plot.draw(figure)
        figure.savefig(io.BytesIO(), format="rgba")
    return figure


def along(line: Line2D) -> list[float]:
    """Where a line's points lie on the horizontal axis."""
    return [float(value) for value in np.asarray(line.get_xdata())]


def first_trial(run: Run) -> Completed:
    trial = run.trials[0].trial
    assert isinstance(trial, Completed)
    return trial


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def boxes(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    """The text that is seen, with where it lies in pixels."""
    with style.house_style("x"):
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            axis = text.axes and text.axes.axison
            if text.get_text() and text.get_visible() and axis is not False:
                yield text.get_text(), text.get_window_extent()
