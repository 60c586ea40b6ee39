"""What a report was measured on, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mlxbench.records import Environment
from mlxbench.report.cells import Grid, chip
from mlxbench.report.format import MISSING, memory
from mlxbench.report.gathering import Gathered


def subtitle(gathered: Gathered) -> str:
    """When and on what."""
    made = [summary.run.created_utc for summary in gathered.summaries]
    made += [probe.run.created_utc for probe in gathered.probes]
    made += [one.comparison.created_utc for one in gathered.comparisons]
    days = sorted({stamp[:10] for stamp in made})
    dates = " to ".join(dict.fromkeys((days[0], days[-1])))
    chips = Counter(found.accelerator or found.cpu for found in _environments(gathered))
    names = [name for name, _ in chips.most_common() if name]
    return f"Measured {dates} on {' and '.join(names)}." if names else f"Measured {dates}."


def machines(gathered: Gathered) -> Grid:
    """Each machine with each set of versions, and how many results it gave."""
    counts = Counter(_machine(environment) for environment in _environments(gathered))
    rows = ((*cells, str(count)) for cells, count in counts.most_common())
    headings = ("machine", "backend", "memory", "system", "versions", "results")
    return Grid(headings, tuple(name == "results" for name in headings), tuple(rows))


def _machine(found: Environment) -> tuple[str, ...]:
    return (
        chip(found) or MISSING,
        found.accelerator_backend or MISSING,
        memory(found.memory_bytes),
        " ".join(part for part in (found.os, found.os_version) if part) or MISSING,
        ", ".join(f"{name} {version}" for name, version in found.versions.items()) or MISSING,
    )


def _environments(gathered: Gathered) -> Iterator[Environment]:
    """What each result, probe and comparison was measured on; a probe of its own rate once."""
    runs = {summary.run.run_id: summary.run for summary in gathered.summaries}
    runs |= {probe.run.run_id: probe.run for probe in gathered.probes}
    yield from (run.environment for run in runs.values())
    yield from gathered.environments.values()
