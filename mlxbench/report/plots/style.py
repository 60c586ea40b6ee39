"""How every plot looks: colours, marks, sizes, and how wide a text is.

A colour is drawn as it looks on white, and stands for a role: `output.svg` replaces each by the CSS
variable of its role (`var(--plot-fg)`), so that one SVG follows a light and a dark page. Hence no
two roles may share a light colour, and nothing is drawn in a colour that is not in `LIGHT`.

The hues are Okabe and Ito's ("Color Universal Design", 2008), which people with any colour vision
tell apart, made darker for white paper and lighter for black. Still no meaning rests on colour
alone: what has another colour has another mark too.

Sizes are inches from the upper left corner, as text is laid out; matplotlib counts from below.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

LIGHT = {
    "bg": "#ffffff",
    "fg": "#1b1f24",
    "muted": "#5f6872",
    "grid": "#dfe3e7",
    "band": "#e8eef4",
    "1": "#0067a5",
    "2": "#c24a00",
    "3": "#00765a",
    "4": "#8c3c88",
}
DARK = {
    "bg": "#14171a",
    "fg": "#e6e8ea",
    "muted": "#a0a9b2",
    "grid": "#363c43",
    "band": "#252d36",
    "1": "#5ab4f0",
    "2": "#ff9c59",
    "3": "#3fcfa4",
    "4": "#df96da",
}
BG, FG, MUTED, GRID, BAND = (LIGHT[role] for role in ("bg", "fg", "muted", "grid", "band"))

WIDTH = 7.6  # inches, of every figure
SIZE, SMALL, LARGE = 8.5, 7.8, 10.0  # points
LINE = 0.165  # inches from one line of text to the next
MARK_SIZE = 5.5
Weight = Literal["normal", "bold"]
# Up to where a line may break: after a space or one of - / : _ . , but never within a number.
PIECE = re.compile(r"(?:[^\s\-/:_.,]|[.,](?=\d))*(?:[\s\-/:_]|[.,](?!\d))*")


@dataclass(frozen=True, slots=True)
class Mark:
    """The look of a point; a hollow one is filled with the background."""

    colour: str
    marker: str
    hollow: bool = False

    @property
    def fill(self) -> str:
        return BG if self.hollow else self.colour


ENGINES = {
    "mlx": Mark(LIGHT["1"], "o"),
    "ollama": Mark(LIGHT["2"], "s"),
    "openai": Mark(LIGHT["4"], "^"),
}
OTHER_ENGINE = Mark(LIGHT["3"], "D")
PUBLISHED = Mark(MUTED, "d", hollow=True)


def engine_mark(engine: str) -> Mark:
    """The mark of what an engine measured."""
    return ENGINES.get(engine, OTHER_ENGINE)


@contextmanager
def house_style(name: str) -> Iterator[None]:
    """Matplotlib as this package needs it, whatever the user's own settings are.

    `name` seeds the ids in an SVG, so that the same data give the same bytes. The one font that
    comes with matplotlib knows no Chinese and no emoji: there the PNG shows a box.
    """
    with matplotlib.rc_context(), quiet_fonts():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": name,
                "font.family": "DejaVu Sans",
                "font.size": SIZE,
                "text.hinting": "none",  # so that text is as wide as `text_width` says
                "text.color": FG,
                "text.parse_math": False,
                "axes.facecolor": "none",
                "axes.edgecolor": GRID,
                "axes.labelcolor": MUTED,
                "xtick.color": GRID,
                "ytick.color": GRID,
                "xtick.labelcolor": MUTED,
                "ytick.labelcolor": MUTED,
                "path.simplify": True,
            }
        )
        yield


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Without a warning for each character that the font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    *,
    size: float = SIZE,
    colour: str = FG,
    weight: Weight = "normal",
    align: Literal["left", "center", "right"] = "left",
) -> None:
    """One line of text whose middle is `y` inches below the upper edge."""
    width, height = figure.get_size_inches()
    figure.text(
        x / width,
        1 - y / height,
        text,
        size=size,
        color=colour,
        weight=weight,
        ha=align,
        va="center_baseline",
        parse_math=False,
    )


def text_width(text: str, size: float = SIZE, weight: Weight = "normal") -> float:
    """Inches that a line takes in DejaVu Sans, which is wider than what browsers show instead.

    Kerning, which brings letters closer, is left out.
    """
    return sum(_advance(character, weight) for character in text) * size / 72


@cache
def _advance(character: str, weight: Weight) -> float:
    """How wide a character is, in sizes of the font.

    The font lacks the wide characters of East Asia and emoji, which browsers show as wide as high.
    """
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    font = FontProperties(family="DejaVu Sans", size=100, weight=weight)
    with quiet_fonts():
        width = text_to_path.get_text_width_height_descent(character, font, ismath=False)[0]
    return float(width) / 100


def wrapped(
    text: str, width: float, *, most: int = 3, size: float = SIZE, weight: Weight = "normal"
) -> list[str]:
    """`text` in lines of at most `width` inches; what `most` lines do not hold ends in an ellipsis.

    Names of models have no spaces: lines also break after - / : _ . , and, at worst, anywhere.
    """

    def fits(line: str) -> bool:
        return text_width(line.rstrip(), size, weight) <= width

    lines = [""]
    for word in PIECE.findall(text[:1000]):
        if fits(lines[-1] + word):
            lines[-1] += word
            continue
        lines.append("")
        for character in word:
            if not fits(lines[-1] + character):
                lines.append("")
            lines[-1] += character
    lines = [line.strip() for line in lines if line.strip()] or [""]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and not fits(last + "…"):
        last = last[:-1]
    return [*lines[: most - 1], last + "…"]
