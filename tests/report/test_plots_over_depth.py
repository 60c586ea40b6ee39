"""Rates over depth: the points, the fitted line and the ceiling."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlxbench import roofline
from mlxbench.records import (
    Options,
    Routing,
    Timed,
)
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import (
    Plot,
    depth,
    plots,
    svg,
)
from mlxbench.report.plots.grouping import shown
from tests.report import plot_samples as samples
from tests.report.plotted import (
    MODEL,
    drawn,
    gathered,
    texts,
)


def sweep(gathered: Gathered, model: str) -> depth.Sweep:
    points = shown(
        gathered,
        lambda one: (
            (one.row.model, one.row.mode, one.row.resident) == (model, "pipelined", None)
            and one.summary.decode_tps is not None
        ),
    )
    return depth.sweep_of(points)


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


def test_the_ceiling_counts_what_each_module_of_a_build_weighs(tmp_path: Path) -> None:
    plain = samples.checkpoint(MODEL)
    assert plain.shape is not None
    eight = {**samples.FOUR_BITS, "lm_head": {"bits": 8, "group_size": 64}}
    real = roofline.read_bytes(plain.shape, eight)
    mixed = replace(plain, quantization=eight, weight_bytes=real.stored)
    unknown = replace(plain, weight_bytes=real.stored)  # holds more than its settings explain
    for number, (known, expected) in enumerate(((mixed, real.active), (unknown, None))):
        runs = [
            samples.timed(MODEL, Timed("decode", 512, 16, tokens), number=tokens, n=2, known=known)
            for tokens in (0, 8192)
        ]
        folder = tmp_path / str(number)
        folder.mkdir()
        found = gathered(runs, [], folder)
        assert sweep(found, MODEL).bytes_at(0) == expected
        plot = next(one for one in plots(found) if one.name == "decode-over-depth")
        lines = drawn(plot).axes[0].lines
        assert any(line.is_dashed() for line in lines) == (expected is not None)


def test_the_ceiling_knows_a_cache_of_four_byte_values(tmp_path: Path) -> None:
    plain = samples.checkpoint(MODEL)
    assert plain.shape is not None
    wide = replace(
        plain,
        quantization={},
        weight_bytes=roofline.read_bytes(plain.shape, {}, 4).stored,
        kv_bytes_per_token=roofline.kv_bytes_per_token(plain.shape, cache_bytes=4),
    )
    run = samples.timed(MODEL, Timed("decode", 8, 4), n=2, known=wide, options=Options(kv_bits=8))
    one = sweep(gathered([run], [], tmp_path), MODEL)
    first, second = one.bytes_at(0), one.bytes_at(1000)
    assert first == roofline.read_bytes(plain.shape, {}, 4).active
    assert second is not None
    kept = roofline.kv_bytes_per_token(plain.shape, 8, cache_bytes=4)
    assert second - first == pytest.approx(1000 * kept)


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
