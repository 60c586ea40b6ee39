"""A plot as a file: SVG for a page, PNG to be posted.

An SVG stands inside a page that has the title and the caption as text, and it follows that page's
colours. A PNG stands alone, so it carries both.

Matplotlib's SVG is a document of its own. Inside a page its ids would meet those of the next plot,
its style sheet (`*{…}`) would reach every element of the page, and its metadata name addresses. So
the drawing is read back as XML and rewritten: names of models are text there, and cannot be
mistaken for markup.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from mlxbench.report.plots.plot import Plot
from mlxbench.report.plots.style import (
    BG,
    FG,
    LARGE,
    LIGHT,
    LINE,
    MUTED,
    SMALL,
    Weight,
    house_style,
    wrapped,
    write,
)

SVG = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
VARIABLES = {colour: f"var(--plot-{role}, {colour})" for role, colour in LIGHT.items()}
PIXELS_PER_INCH = 192  # twice what CSS calls an inch
MARGIN = 0.2

Pixels = npt.NDArray[np.uint8]


def svg(plot: Plot) -> str:
    """The drawing for a page: colours are the page's variables, text is text, ids are its own.

    `--plot-fg`, `-muted`, `-grid`, `-band`, `-bg` and `-1` to `-4`; without them it is light.
    """
    with house_style(plot.name):
        figure = _drawn(plot)
        written = io.BytesIO()
        figure.savefig(written, format="svg", facecolor="none", metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        element.attrib.update(_rewritten(element.attrib, plot.name))
        element.attrib.pop(HREF, None)
        if element.tag != "text":
            element.text = None
        element.tail = None
    viewed = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {
        "xmlns": SVG,
        "viewBox": viewed,
        "role": "img",
        "aria-labelledby": f"{plot.name}-title",
        "style": f"font-family: {FONTS}; stroke-linejoin: round; stroke-linecap: butt",
    }
    title = ElementTree.Element("title", {"id": f"{plot.name}-title"})
    title.text = plot.title
    root.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode")


def _rewritten(attributes: dict[str, str], name: str) -> dict[str, str]:
    """Ids and what refers to them get the plot's name; styles get fonts and variables."""
    made = {}
    for key, value in attributes.items():
        if key == "id":
            made["id"] = f"{name}-{value}"
        elif key == HREF:
            made["href"] = f"#{name}-{value.removeprefix('#')}"
        elif key == "style":
            styled = re.sub(r"font-family: [^;]*(; |$)", "", value)
            made["style"] = re.sub(
                r"#[0-9a-f]{6}", lambda found: VARIABLES[found[0]], _own(styled, name)
            )
        elif "url(#" in value:
            made[key] = _own(value, name)
        elif key == "d":
            made["d"] = " ".join(value.split())
    return made


def _own(value: str, name: str) -> str:
    return value.replace("url(#", f"url(#{name}-")


def png(plot: Plot) -> bytes:
    """The light picture with its title and caption, at two pixels for each of CSS."""
    with house_style(plot.name):
        drawn = _pixels(_drawn(plot))
        title = _words(plot.title, plot.width_in, LARGE + 1.5, FG, "bold")
        caption = _words(plot.caption, plot.width_in, SMALL, MUTED, "normal")
    sheet = np.vstack([title, drawn, caption])
    edge = round(MARGIN * PIXELS_PER_INCH)
    framed = np.pad(sheet, ((edge, edge), (edge, edge), (0, 0)), constant_values=255)
    written = io.BytesIO()
    imsave(written, framed, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": "mlxbench"})
    return written.getvalue()


def _drawn(plot: Plot) -> Figure:
    figure = Figure(figsize=(plot.width_in, plot.height_in), dpi=PIXELS_PER_INCH, facecolor=BG)
    FigureCanvasAgg(figure)
    plot.draw(figure)
    return figure


def _words(text: str, width: float, size: float, colour: str, weight: Weight) -> Pixels:
    """A paragraph as pixels."""
    step = LINE * size / 8
    lines = wrapped(text, width - 0.12, most=12, size=size, weight=weight)
    shape = (width, step * len(lines) + 0.12)
    figure = Figure(figsize=shape, dpi=PIXELS_PER_INCH, facecolor=BG)
    for index, line in enumerate(lines):
        y = step * (index + 0.5)
        write(figure, 0.06, y, line, size=size, colour=colour, weight=weight)
    return _pixels(figure)


def _pixels(figure: Figure) -> Pixels:
    written = io.BytesIO()
    figure.savefig(written, format="rgba")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(written.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]
