"""What belongs together in a plot: one machine's results in a panel, one model's under a heading.

Absolute rates of two machines must never look like one measurement, so each machine has its own
panel, and the panel says which it is. Two rows of one model that look the same differ in something
that the short label leaves out: then the label says that too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlxbench.records import Environment, Reference
from mlxbench.report.cells import chip, line
from mlxbench.report.format import GIB, rate
from mlxbench.report.gathering import Gathered
from mlxbench.report.plots.strips import Point, Strip
from mlxbench.report.plots.style import PUBLISHED, Mark, engine_mark
from mlxbench.report.rows import ResultRow
from mlxbench.report.safe import one_line
from mlxbench.report.summary import Summary
from mlxbench.stats import Estimate

Item = TypeVar("Item")
UNKNOWN = "unknown machine"
SYNTHETIC_MEANS = "Synthetic models have random weights in the model's exact shape."


@dataclass(frozen=True, slots=True)
class Shown:
    """A result that a plot shows."""

    summary: Summary
    row: ResultRow

    @property
    def machine(self) -> str:
        return machine_name(self.summary.run.environment)

    @property
    def group(self) -> str:
        """The model, whether it goes by its name here or by its tag at a server."""
        return self.row.model.lower().replace(":", "-")

    @property
    def mark(self) -> Mark:
        return engine_mark(self.row.engine)


def shown(gathered: Gathered, wanted: Callable[[Shown], bool]) -> list[Shown]:
    """The results that are wanted, newest first."""
    pairs = zip(gathered.summaries, gathered.rows, strict=True)
    return [one for one in (Shown(summary, row) for summary, row in pairs) if wanted(one)]


def machine_name(environment: Environment) -> str:
    """The chip, its cores and its memory, for a reader who has another.

    A Mac is sold by the memory that its GPU shares; what Metal recommends to use of it is less, and
    moves with a setting. Only a card has memory of its own.
    """
    name = chip(environment) or environment.machine or UNKNOWN
    card = environment.accelerator_backend == "cuda"
    size = environment.accelerator_memory_bytes if card else environment.memory_bytes
    return one_line(f"{name}, {size / GIB:.0f} GiB" if size else name)


def on_machines(names: Collection[str]) -> str:
    """`on Apple M3 Ultra, 512 GiB`, or on how many machines."""
    return f"on {next(iter(names))}" if len(names) == 1 else f"on {len(names)} machines"


def grouped(items: Iterable[Item], key: Callable[[Item], str]) -> dict[str, list[Item]]:
    """Items by their key; keys and items keep their order."""
    made: dict[str, list[Item]] = {}
    for item in items:
        made.setdefault(key(item), []).append(item)
    return made


def headings(groups: Mapping[str, Sequence[Shown]]) -> dict[str, str]:
    """The name of each group of results of one model: a local one rather than a server's tag."""
    names = {}
    for key, members in groups.items():
        local = [one for one in members if one.summary.run.arm.target.source != "server"]
        names[key] = one_line((local or list(members))[0].row.model)
    return names


def models_in_words(results: Sequence[Shown]) -> str:
    """The model's name, or how many there are."""
    names = headings(grouped(results, lambda one: one.group))
    return next(iter(names.values())) if len(names) == 1 else f"{len(names)} models"


def label(one: Shown, heading: str) -> str:
    """Engine and test of a result, and the model where its name is not the heading."""
    row = one.row
    own = [] if one_line(row.model) == heading else [row.model]
    marks = ["synthetic"] if row.synthetic else []
    marks += [row.status] if row.status != "done" else []
    engine = " ".join([row.engine, *own])
    return one_line(", ".join([engine, *marks, line(row).test]))


def labels(members: Sequence[Shown], heading: str) -> list[str]:
    """A short label for each result under `heading`; no two are the same."""
    made = [label(one, heading) for one in members]
    for extra in (_version, _bits, _run):
        twice = {name for name, count in Counter(made).items() if count > 1}
        if not twice:
            break
        made = [
            f"{name}, {extra(one)}" if name in twice else name
            for name, one in zip(made, members, strict=True)
        ]
    return made


def _version(one: Shown) -> str:
    return f"mlx {one.row.mlx}, mlx-lm {one.row.mlx_lm}" if one.row.mlx else "mlx unknown"


def _bits(one: Shown) -> str:
    return f"{one.row.bits_per_weight:.2f} bits" if one.row.bits_per_weight else "bits unknown"


def _run(one: Shown) -> str:
    return one.row.run_id


def published(
    members: Sequence[Shown], references: Mapping[str, Sequence[Reference]]
) -> list[Reference]:
    """What others published of the model of these results, each once."""
    found = (reference for one in members for reference in references.get(one.row.model, ()))
    return list(dict.fromkeys(found))


def published_strip(reference: Reference) -> Strip | None:
    """A published rate; it came without an interval."""
    if reference.decode_tps is None:
        return None
    label = one_line(f"published: {reference.engine}, {reference.machine}, {reference.workload}")
    figures = f"{rate(reference.decode_tps)}, no interval"
    return Strip(label, (Point(reference.decode_tps, PUBLISHED),), figures, quiet=True)


def estimate_strip(label: str, mark: Mark, found: Estimate) -> Strip:
    """A measured rate with its interval and n."""
    point = Point(found.value, mark, found.low, found.high)
    if found.low is None:
        return Strip(label, (point,), f"{rate(found.value)}, no interval, n = {found.n}")
    high = rate(found.high) if found.high is not None else "∞"
    return Strip(label, (point,), f"{rate(found.value)} [{rate(found.low)}–{high}], n = {found.n}")


def versions_of(members: Sequence[Shown]) -> str:
    """The versions of MLX behind these results, for a caption."""
    found = {
        one.row.mlx: one.row.mlx_lm for one in members if one.row.mlx and one.row.engine == "mlx"
    }
    return "; ".join(f"mlx {mlx}, mlx-lm {mlx_lm or 'unknown'}" for mlx, mlx_lm in found.items())
