"""Plots as SVG and PNG."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import (
    DARK,
    LIGHT,
    Plot,
    plots,
    png,
    svg,
)
from mlxbench.report.plots.grouping import Shown
from tests.report import plot_samples as samples
from tests.report.plotted import (
    HOSTILE,
    SVG,
    texts,
)


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
