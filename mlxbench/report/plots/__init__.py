"""The plots of a report: what was gathered, as pictures that can be posted alone.

- `rates`: decode and prefill by model. `depth`: decode over depth, with its fit and its ceiling.
- `latency`: the time of each token. `memory`: predicted and measured. `ratios`: comparisons.
- `probe`: what the models notice.
- `strips` and `grid` are the two forms that they take; `axes` and `style` their scales and look.
- `output`: SVG for a page, PNG for a post.

Only here is matplotlib imported, and never its `pyplot`, which keeps state of its own.
"""

from __future__ import annotations

from mlxbench.report.gathering import Gathered
from mlxbench.report.plots import depth, latency, memory, probe, rates, ratios
from mlxbench.report.plots.output import png, svg
from mlxbench.report.plots.plot import Plot
from mlxbench.report.plots.style import DARK, LIGHT

__all__ = ["DARK", "LIGHT", "NAMES", "Plot", "plots", "png", "svg"]

# Every name that a plot may have, in the order of a page.
NAMES = (
    *("decode-by-model", "decode-over-depth", "prefill-by-model", "itl-trace"),
    *("resident-memory", "ratios", "probe"),
)

DRAWN = (
    rates.decode,
    depth.depth,
    rates.prefill,
    latency.latency,
    memory.memory,
    ratios.ratios,
    probe.probe,
)


def plots(gathered: Gathered) -> list[Plot]:
    """Every plot that there is something to draw in."""
    return [plot for draw in DRAWN if (plot := draw(gathered))]
