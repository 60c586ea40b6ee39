"""Plots: what they show, that it can be read, and that an SVG can stand in any page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlxbench.records import (
    Arm,
    Failed,
    Options,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import (
    NAMES,
    Plot,
    latency,
    plots,
    style,
    svg,
)
from mlxbench.report.plots.grouping import labels, machine_name, shown
from tests.report import plot_samples as samples
from tests.report.plotted import (
    MODEL,
    along,
    boxes,
    drawn,
    first_trial,
    gathered,
    texts,
)


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
    assert {"Apple M3 Ultra, 80 GPU cores, 512 GiB", "AMD EPYC 7B13, 8 GiB"} <= set(seen)


def test_a_mac_is_named_by_the_memory_it_was_sold_with_and_a_card_by_its_own() -> None:
    for limit in (384, 480, None):
        moved = replace(samples.STUDIO, accelerator_memory_bytes=limit and limit * samples.GIB)
        assert machine_name(moved) == "Apple M3 Ultra, 80 GPU cores, 512 GiB"
    card = replace(
        samples.LINUX,
        accelerator="Some Card",
        accelerator_backend="cuda",
        accelerator_memory_bytes=80 * samples.GIB,
    )
    assert machine_name(card) == "Some Card, 80 GiB"
    assert machine_name(replace(card, accelerator_memory_bytes=None)) == "Some Card"
    assert machine_name(samples.LINUX) == "AMD EPYC 7B13, 8 GiB"
    assert machine_name(replace(samples.LINUX, cpu=None, memory_bytes=None)) == "x86_64"


def test_the_same_chip_with_fewer_cores_has_a_panel_of_its_own(tmp_path: Path) -> None:
    task, smaller = Timed("decode", 512, 16), replace(samples.STUDIO, accelerator_cores=60)
    runs = [
        samples.timed(MODEL, task, number=1, n=2),
        samples.timed(MODEL, task, number=2, n=2, environment=smaller),
    ]
    found = plots(gathered(runs, [], tmp_path))
    seen = [text.get_text() for text in drawn(found[0]).figure.texts]
    assert {f"Apple M3 Ultra, {cores} GPU cores, 512 GiB" for cores in (60, 80)} <= set(seen)


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
