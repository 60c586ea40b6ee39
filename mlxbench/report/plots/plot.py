"""What a plot is, before anybody decides whether it becomes an SVG or a PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib.figure import Figure

from mlxbench.records import Run


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture, meant to be understood alone.

    `name` is its file's stem and its id in a page. `title` says in a sentence what is seen, and
    `caption` gives n, interval and conditions in words. `commands` make its figures again. `draw`
    draws into an empty figure of `width_in` × `height_in` inches, without title and caption.
    """

    name: str
    title: str
    caption: str
    commands: tuple[str, ...]
    draw: Callable[[Figure], None]
    width_in: float
    height_in: float


def commands_of(runs: Iterable[Run]) -> tuple[str, ...]:
    """The commands of runs, each once, in the order in which they were given."""
    ordered = sorted(runs, key=lambda run: run.created_utc)
    return tuple(dict.fromkeys(run.command for run in ordered))
