"""Plots: what they show, that it can be read, and that an SVG can stand in any page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mlxbench import roofline
from mlxbench.records import (
    Arm,
    Checkpoint,
    Comparison,
    Completed,
    Failed,
    Options,
    Routing,
    Run,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.report.gathering import Gathered, gather
from mlxbench.report.plots import DARK, LIGHT, Plot, axes, depth, latency, plots, png, style, svg
from mlxbench.report.plots.grouping import Shown, labels, shown
from mlxbench.store import Store
from tests.report import plot_samples as samples
from tests.report.probe_samples import CUT, RIGHT

NAMES = (
    *("decode-by-model", "decode-over-depth", "prefill-by-model", "itl-trace"),
    *("resident-memory", "ratios", "probe"),
)
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
        *samples.decode_runs(),
        *samples.prefill_runs(),
        *samples.stepped_runs(),
        *samples.small_runs(),
        *samples.probe_runs(),
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


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    return gathered(a_week(), samples.comparisons(), tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def made(week: Gathered) -> dict[str, Plot]:
    return {plot.name: plot for plot in plots(week)}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Plot]:
    folder = tmp_path_factory.mktemp("hostile")
    return plots(gathered(hostile_runs(), hostile_comparisons(), folder))


@pytest.fixture(scope="module")
def drawings(made: dict[str, Plot]) -> dict[str, str]:
    return {name: svg(plot) for name, plot in made.items()}


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


# ---- which plots there are ----------------------------------------------------------------------


def test_nothing_measured_gives_no_plot() -> None:
    assert plots(Gathered()) == []


def test_a_full_store_gives_every_plot_once(made: dict[str, Plot], week: Gathered) -> None:
    assert tuple(made) == NAMES
    assert len(plots(week)) == len(NAMES)


def test_one_rate_gives_only_the_plots_that_it_has_something_for(tmp_path: Path) -> None:
    one = samples.timed(MODEL, Timed("decode", 512, 16), n=1)
    found = plots(gathered([one], [], tmp_path))
    assert [plot.name for plot in found] == ["decode-by-model", "resident-memory"]
    assert any(re.fullmatch(r"32\.\d+, no interval, n = 1", text) for text in texts(svg(found[0])))


def test_every_plot_says_n_its_interval_and_the_commands_that_make_it(
    made: dict[str, Plot],
) -> None:
    for plot in made.values():
        assert re.search(r"\bn\b", plot.caption), plot.name
        assert "interval" in plot.caption, plot.name
        assert plot.commands and all(line.startswith("mlxbench ") for line in plot.commands)
        assert len(set(plot.commands)) == len(plot.commands)


# ---- what is seen -------------------------------------------------------------------------------


def test_rates_stand_with_interval_and_n_beside_the_published_ones(
    drawings: dict[str, str], week: Gathered
) -> None:
    row = next(row for row in week.rows if (row.model, row.test) == (MODEL, "tg128"))
    assert row.decode_tps is not None
    seen = texts(drawings["decode-by-model"])
    assert any(re.fullmatch(rf"{row.decode_tps:.4g} \[[\d.]+–[\d.]+\], n = 10", t) for t in seen)
    assert seen.count("25.4, no interval") == 1
    assert "published: Ollama 0.6.6, q4_k_m, M3 Ultra" in seen


def test_a_point_lies_where_its_rate_is(made: dict[str, Plot], week: Gathered) -> None:
    figure = drawn(made["decode-by-model"])
    points = {
        along(line)[0] for axis in figure.axes for line in axis.lines if len(along(line)) == 1
    }
    rates = {
        row.decode_tps
        for row in week.rows
        if row.decode_tps and not row.depth and row.mode != "stepped"
    }
    assert points == {*rates, 72.1, 25.4, 23.3}


def test_a_point_lies_beside_its_own_figures(made: dict[str, Plot]) -> None:
    figure = drawn(made["decode-by-model"])
    heights = {
        f"{along(line)[0]:.4g}": axis.transData.transform(line.get_xydata())[0][1]
        for axis in figure.axes
        for line in axis.lines
        if len(along(line)) == 1
    }
    written = {
        re.split("[ ,]", text)[0]: (box.y0 + box.y1) / 2
        for text, box in boxes(figure)
        if re.match(r"[\d.]+( \[|, no interval)", text)
    }
    assert written.keys() == heights.keys() and len(written) == 13
    for figures, y in written.items():
        assert y == pytest.approx(heights[figures], abs=3), figures


def test_prefill_has_no_published_figures_beside_it(drawings: dict[str, str]) -> None:
    assert not any("published" in text for text in texts(drawings["prefill-by-model"]))


def test_each_machine_has_a_panel_of_its_own(made: dict[str, Plot]) -> None:
    figure = drawn(made["decode-by-model"])
    assert len(figure.axes) == 2
    seen = [text.get_text() for text in figure.texts]
    assert {"Apple M3 Ultra, 512 GiB", "AMD EPYC 7B13, 8 GiB"} <= set(seen)


def test_stepped_rates_never_stand_among_pipelined_ones(drawings: dict[str, str]) -> None:
    assert not any("stepped" in text for text in texts(drawings["decode-by-model"]))
    assert not any("stepped" in text for text in texts(drawings["decode-over-depth"]))
    assert any("stepped" in text for text in texts(drawings["itl-trace"]))


def test_random_weights_are_called_synthetic(
    made: dict[str, Plot], drawings: dict[str, str]
) -> None:
    for name in ("decode-by-model", "decode-over-depth", "resident-memory"):
        assert any("synthetic" in text for text in texts(drawings[name])), name
    assert "random weights" in made["decode-by-model"].caption


def test_a_server_has_another_mark_and_stands_under_the_same_model(
    drawings: dict[str, str],
) -> None:
    seen = texts(drawings["decode-by-model"])
    at = seen.index("ollama qwen3:32b, pp512+tg128")
    before = [text for text in seen[:at] if text in samples.MODELS]
    assert before[-1] == MODEL
    assert style.engine_mark("ollama").marker != style.engine_mark("mlx").marker


def test_results_that_differ_in_a_version_only_have_labels_that_say_so(tmp_path: Path) -> None:
    old = replace(samples.STUDIO, versions={"mlx": "0.30.0", "mlx-lm": "0.30.1"})
    task = Timed("decode", 512, 16)
    runs = [
        samples.timed(MODEL, task, number=1, n=2),
        samples.timed(MODEL, task, number=2, n=2, environment=old),
    ]
    found = shown(gathered(runs, [], tmp_path), lambda one: True)
    assert labels(found, MODEL) == [
        "mlx, tg16, mlx 0.30.0, mlx-lm 0.30.1",
        "mlx, tg16, mlx 0.32.4, mlx-lm 0.32.2",
    ]


def sweep(gathered: Gathered, model: str) -> depth.Sweep:
    points = shown(
        gathered,
        lambda one: (
            (one.row.model, one.row.mode, one.row.resident) == (model, "pipelined", None)
            and one.summary.decode_tps is not None
        ),
    )
    return depth.Sweep(tuple(sorted(points, key=depth.context)))


@pytest.mark.parametrize("model", samples.MODELS)
def test_the_line_over_depth_finds_the_two_constants_behind_it(week: Gathered, model: str) -> None:
    fitted = sweep(week, model).fit()
    assert fitted is not None and fitted.points == 5
    assert fitted.bandwidth == pytest.approx(samples.BANDWIDTH, rel=0.03)
    assert fitted.kernel_s == pytest.approx(samples.MODELS[model] * samples.KERNEL_S, rel=0.05)


def test_points_over_depth_lie_below_the_ceiling_and_on_the_line(
    made: dict[str, Plot], week: Gathered
) -> None:
    figure = drawn(made["decode-over-depth"])
    assert len(figure.axes) == 5
    ceilings = [axis for axis in figure.axes if any(line.is_dashed() for line in axis.lines)]
    assert len(ceilings) == 3  # of the machine whose bandwidth is known
    for axis in ceilings:
        ceiling, line = axis.lines[:2]
        assert np.all(np.asarray(ceiling.get_ydata()) > np.asarray(line.get_ydata()))
    assert "There is no ceiling where" in made["decode-over-depth"].caption
    one = sweep(week, MODEL)
    fitted = one.fit()
    assert fitted is not None
    for point in one.points:
        assert point.row.decode_tps == pytest.approx(
            one.fitted_tps(fitted, depth.context(point)), rel=0.01
        )


def test_the_context_of_a_rate_is_that_of_the_middle_of_the_reply(week: Gathered) -> None:
    assert [depth.context(one) for one in sweep(week, MODEL).points[:2]] == [576, 4672]


def test_a_changed_router_reads_nobody_knows_how_many_bytes(tmp_path: Path) -> None:
    options = Options(routing=Routing(top_k=4))
    runs = [
        samples.timed(
            "qwen3-30b-a3b", Timed("decode", 512, 16, tokens), number=tokens, options=options
        )
        for tokens in (0, 4096)
    ]
    assert sweep(gathered(runs, [], tmp_path), "qwen3-30b-a3b").bytes_at(0) is None


def test_the_ceiling_knows_a_quantised_cache(tmp_path: Path) -> None:
    runs = [
        samples.timed(
            MODEL, Timed("decode", 512, 16, tokens), number=number, n=2, options=Options(kv_bits=8)
        )
        for number, tokens in enumerate((0, 8192))
    ]
    one = sweep(gathered(runs, [], tmp_path), MODEL)
    first, second = one.bytes_at(0), one.bytes_at(1000)
    assert first is not None and second is not None
    shape = samples.checkpoint(MODEL).shape
    assert shape is not None
    assert second - first == pytest.approx(1000 * roofline.kv_bytes_per_token(shape, 8))


def test_a_server_over_depth_has_a_line_and_no_ceiling(tmp_path: Path) -> None:
    target, known = samples.server(MODEL)
    runs = [
        samples.timed(
            *(MODEL, Timed("request", 512, 16, tokens)),
            number=tokens,
            n=3,
            target=target,
            known=known,
            pace_s=0.02 + 1e-6 * (520 + tokens),
        )
        for tokens in (0, 4000, 16_000)
    ]
    found = plots(gathered(runs, [], tmp_path))
    drawing = svg(next(plot for plot in found if plot.name == "decode-over-depth"))
    (note,) = (text for text in texts(drawing) if "fit: " in text)
    slope, overhead = map(float, re.findall(r"([\d.]+) ms", note))
    assert slope == pytest.approx(1.0, rel=0.3)  # of 1,000 tokens, in ms
    assert overhead == pytest.approx(20, rel=0.03)
    assert not any("ceiling" in text for text in texts(drawing))


def test_other_prompts_at_one_depth_are_no_sweep(tmp_path: Path) -> None:
    runs = [
        samples.timed(MODEL, Timed("decode", tokens, 16), number=tokens, n=2)
        for tokens in (512, 1024)
    ]
    found = {plot.name for plot in plots(gathered(runs, [], tmp_path))}
    assert found == {"decode-by-model", "resident-memory"}


def test_a_trace_has_the_gaps_of_the_measured_trials_as_long_as_the_shortest() -> None:
    run = samples.timed(MODEL, Timed("decode", 8, 5, mode="stepped"), n=2)
    first = first_trial(run)
    short = replace(first, stamps=first.stamps[:4])
    extra = [
        TrialRecord(7, "warmup", "", first),
        TrialRecord(8, "measured", "", Failed("aborted", "x")),
        TrialRecord(9, "measured", "", short),
    ]
    found = latency.gaps(replace(run, trials=(*run.trials, *extra)))
    assert found.shape == (3, 3)
    assert found[2] == pytest.approx(np.diff(first.stamps)[:3])


def test_a_huge_stall_makes_the_trace_logarithmic(made: dict[str, Plot], tmp_path: Path) -> None:
    run = samples.timed(MODEL, Timed("decode", 8, 20, mode="stepped"), n=1)
    trial = first_trial(run)
    stamps = [*trial.stamps[:10], *(stamp + 10 for stamp in trial.stamps[10:])]
    slow = replace(trial, stamps=tuple(stamps))
    stalled = replace(run, trials=(replace(run.trials[0], trial=slow),))
    plot = next(one for one in plots(gathered([stalled], [], tmp_path)) if one.name == "itl-trace")
    assert drawn(plot).axes[0].get_yscale() == "log"
    assert drawn(made["itl-trace"]).axes[0].get_yscale() == "linear"


def test_memory_shows_prediction_and_measurement_alone_and_together(
    drawings: dict[str, str], week: Gathered
) -> None:
    seen = texts(drawings["resident-memory"])
    assert "mlx, tg128, qwen3-30b-a3b in memory too" in seen
    assert seen.count("mlx, tg128 @ d32768") == len(samples.MODELS)  # alone, at its most demanding
    together = next(row for row in week.rows if row.model == MODEL and row.resident)
    assert together.peak_memory_bytes is not None
    size = f"{together.peak_memory_bytes / (1 << 30):.2f} GiB (+7 %), n = 10"
    assert size in seen
    assert {"Peak memory, GiB", "Peak memory, MiB"} <= set(seen)


def test_a_peak_that_nobody_predicted_says_so(tmp_path: Path) -> None:
    run = replace(samples.timed(MODEL, Timed("decode", 8, 4), n=2), predicted_memory_bytes=None)
    plot = plots(gathered([run], [], tmp_path))[-1]
    assert any(text.endswith("(no prediction), n = 2") for text in texts(svg(plot)))


def test_ratios_stand_with_interval_pairs_and_verdict_around_one(
    made: dict[str, Plot], drawings: dict[str, str]
) -> None:
    seen = texts(drawings["ratios"])
    assert {"faster", "slower", "equivalent", "inconclusive"} <= set(seen)
    assert seen.count("null: the first arm") == 3
    assert (
        sum(bool(re.fullmatch(r"[\d.]+× \[[\d.]+–[\d.]+\], n = 12", text)) for text in seen) == 15
    )
    axis = drawn(made["ratios"]).axes[0]
    low, high = axis.get_xlim()
    assert axis.get_xscale() == "log" and low < 1 / 1.01 and high > 1.62
    assert any(along(line) == [1.0, 1.0] for line in axis.lines)


def test_the_winner_of_several_arms_is_shown_by_its_fresh_pairs(tmp_path: Path) -> None:
    arm = Arm(Target("mlx", MODEL, "", "hub"), Timed("decode", 512, 16))
    others = [
        (replace(arm, options=Options(kv_bits=bits)), speed) for bits, speed in ((8, 1.3), (4, 1.1))
    ]
    made, runs = samples.comparison(arm, others, number=1, rounds=8)
    again, fresh = samples.comparison(arm, others[:1], number=2, rounds=10)
    confirmed = replace(made, confirmed_arm=1, confirmation=again.sessions[0])
    (plot,) = plots(gathered([], [(confirmed, [*runs, *fresh])], tmp_path))
    seen = texts(svg(plot))
    assert "against the default, confirmed on fresh" in " ".join(seen)
    assert [text[-6:] for text in seen if text.endswith((", n = 8", ", n = 10"))] == [
        "n = 10",
        " n = 8",
    ]


def test_one_comparison_alone_shows_the_whole_band_of_one_percent(tmp_path: Path) -> None:
    arm = Arm(Target("mlx", MODEL, "", "hub"), Timed("decode", 512, 16))
    eight = replace(arm, options=Options(kv_bits=8))
    made = samples.comparison(arm, [(eight, 1.0001)], noise=0.0001, rounds=8)
    (plot,) = plots(gathered([], [made], tmp_path))
    low, high = drawn(plot).axes[0].get_xlim()
    assert low < 0.99 and high > 1.01
    assert "1×" in texts(svg(plot))


def test_a_probe_shows_passes_of_n_and_the_published_verdict_of_one(
    drawings: dict[str, str],
) -> None:
    seen = texts(drawings["probe"])
    assert "PASS 14 of 20 [48–85 %], 2 cut" in seen
    assert seen.count("FAIL 0 of 1 [0–79 %]") == 3


# ---- that it can be read ------------------------------------------------------------------------


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


# ---- as files -----------------------------------------------------------------------------------


def test_an_svg_is_an_image_with_a_title_that_fits_any_width(
    made: dict[str, Plot], drawings: dict[str, str]
) -> None:
    for name, drawing in drawings.items():
        root = ElementTree.fromstring(drawing)
        assert drawing.startswith("<svg ") and root.tag == f"{SVG}svg"
        assert root.get("role") == "img" and root.get("viewBox")
        assert root.get("width") is None and root.get("height") is None
        assert root[0].tag == f"{SVG}title" and root[0].text == made[name].title
        assert root.get("aria-labelledby") == root[0].get("id")


def test_an_svg_brings_no_style_sheet_no_metadata_and_no_addresses(
    drawings: dict[str, str],
) -> None:
    for drawing in drawings.values():
        tags = {element.tag for element in ElementTree.fromstring(drawing).iter()}
        assert tags <= {
            SVG + name
            for name in ("svg", "title", "g", "path", "text", "defs", "use", "clipPath", "rect")
        }
        assert drawing.count("http") == 1 and 'xmlns="http://www.w3.org/2000/svg"' in drawing


def test_every_colour_is_a_variable_with_a_light_fallback(drawings: dict[str, str]) -> None:
    for drawing in drawings.values():
        assert re.sub(r"var\(--plot-(\w+), (#[0-9a-f]{6})\)", "", drawing).count("#") == (
            drawing.count('href="#') + drawing.count("url(#")
        )
        assert {role for role, _ in re.findall(r"var\(--plot-(\w+), (#\w+)\)", drawing)} <= set(
            LIGHT
        )
        assert "'DejaVu Sans'" not in drawing


def test_ids_are_unique_in_a_page_and_every_reference_leads_somewhere(
    drawings: dict[str, str],
) -> None:
    page = "".join(drawings.values())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', page))
    assert used and used <= set(ids)


def test_the_same_data_give_the_same_bytes(week: Gathered, drawings: dict[str, str]) -> None:
    again = {plot.name: plot for plot in plots(week)}
    for name in ("decode-by-model", "decode-over-depth", "itl-trace", "ratios"):
        assert svg(again[name]) == drawings[name]
    assert png(again["probe"]) == png(again["probe"])


def test_foreign_names_are_text_and_nothing_else(hostile: list[Plot]) -> None:
    for plot in hostile:
        drawing = svg(plot)
        tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(drawing).iter()}
        assert "script" not in tags and "b" not in tags
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", drawing)
    rates = next(svg(plot) for plot in hostile if plot.name == "decode-by-model")
    assert HOSTILE[0] in texts(rates)
    assert any("#ffffff" in text for text in texts(rates))


def test_a_users_own_matplotlib_settings_change_nothing(made: dict[str, Plot]) -> None:
    plot = made["probe"]
    usual = svg(plot)
    with matplotlib.rc_context(
        {"font.size": 30, "svg.fonttype": "path", "xtick.direction": "in", "axes.linewidth": 4}
    ):
        assert svg(plot) == usual


def test_a_png_is_light_twice_as_fine_and_carries_title_and_caption(
    made: dict[str, Plot],
) -> None:
    plot = made["prefill-by-model"]
    picture = imread(io.BytesIO(png(plot)), format="png")
    height, width = picture.shape[:2]
    assert width == pytest.approx((plot.width_in + 0.4) * 192, abs=2)
    assert height > (plot.height_in + 0.4 + 0.4) * 192
    assert np.all(picture[0, :, :3] == 1) and np.all(picture[:, 0, :3] == 1)
    assert picture[:, :, :3].min() < 0.2


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_marks_stand_out_from_their_background(theme: dict[str, str]) -> None:
    def contrast(first: str, second: str) -> float:
        light, dark = sorted((luminance(first), luminance(second)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    assert set(theme) == set(LIGHT) and len(set(theme.values())) == len(theme)
    for role in ("fg", "muted", "1", "2", "3", "4"):
        assert contrast(theme[role], theme["bg"]) >= 4.5, role
        assert contrast(theme[role], theme["band"]) >= 3, role


def test_a_result_goes_by_one_name_here_and_at_a_server(week: Gathered) -> None:
    groups = {
        Shown(summary, row).group for summary, row in zip(week.summaries, week.rows, strict=True)
    }
    assert groups == {*samples.MODELS, "tiny-moe", "tiny-dense"}
