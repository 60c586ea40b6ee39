"""What a report says, as text and tables, before anybody decides whether it is Markdown or HTML.

Both forms are made from one `Contents`, so they cannot disagree. Everything in it is other people's
text (model names, warnings, commands) and is escaped where it is written, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxbench import __version__
from mlxbench.records import Reference, Run
from mlxbench.report import terminal
from mlxbench.report.cells import Grid, Line, families, line, plainest, published
from mlxbench.report.format import MISSING, counted, memory, milliseconds
from mlxbench.report.gathering import Gathered
from mlxbench.report.page.comparisons import Compared, compared
from mlxbench.report.page.machines import machines, subtitle
from mlxbench.report.page.probes import Probes, probes, said_of
from mlxbench.report.rows import ResultRow
from mlxbench.report.summary import Summary

if TYPE_CHECKING:
    from mlxbench.report.plots import Plot

TITLE = "How fast models run here"
READING = (
    (
        "test",
        "pp512: a prompt of 512 tokens is read. tg128 @ d4096: 128 tokens are generated with 4,096 "
        "in the cache before the prompt. pp512+tg128: a whole request, as a server gets it.",
    ),
    (
        "tok/s",
        "Generating: N−1 intervals over the time from the first to the last of N tokens. Reading: "
        "prompt tokens over the time to the first token. Total tokens over total time of all "
        "trials.",
    ),
    (
        "95 % interval",
        "Where the rate of this machine in this session lies, as far as the trials tell. Another "
        "load of the same model may differ by more. Without repeated trials there is none.",
    ),
    ("n", "Measured trials; warm-up and failed ones are not among them."),
    ("TTFT", "Time to first token: from the request until the first token has its value."),
    ("peak", "The most memory that MLX held in a trial, everything resident included."),
    (
        "probe",
        "How often a model that is asked about a poem notices the sentence in its first letters: "
        "passes of replies, with Wilson's 95 % interval. PASS from one half on.",
    ),
    (
        "published",
        "Somebody else's figure, as stated by its source: another machine, another program, often "
        "another definition. To be looked at beside ours, not compared with it.",
    ),
    ("synthetic", "Random weights of the model's exact shape: they tell its speed, nothing else."),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One result with what must be known before it is believed."""

    line: Line
    conditions: str
    command: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The results of one model, and the published ones beside them."""

    name: str
    first: tuple[Item, ...]
    items: tuple[Item, ...]
    published: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole report. `warnings` come with how many results and probes have them, in words."""

    title: str
    subtitle: str
    version: str
    models: tuple[Model, ...]
    sources: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    comparisons: tuple[Compared, ...]
    probes: Probes | None
    plots: tuple[Plot, ...]
    machines: Grid


def contents(gathered: Gathered, plots: Iterable[Plot], title: str) -> Contents:
    """Everything that a report says of what was gathered."""
    models = tuple(_models(gathered))
    return Contents(
        title=title,
        subtitle=subtitle(gathered),
        version=__version__,
        models=models,
        sources=tuple(_sources(gathered)),
        warnings=tuple(_warnings(gathered)),
        comparisons=tuple(compared(gathered, one) for one in gathered.comparisons),
        probes=probes(gathered) if gathered.probes else None,
        plots=tuple(plots),
        machines=machines(gathered),
    )


def _models(gathered: Gathered) -> Iterator[Model]:
    summaries = {summary.run.run_id: summary for summary in gathered.summaries}
    rated = [row for row in gathered.rows if row.probe_run_id != row.run_id or row.decode_tps]
    for family in families(rated, gathered.references):
        items = {row.run_id: _item(row, summaries[row.run_id]) for row in family.rows}
        yield Model(
            name=items[family.rows[0].run_id].line.model,
            first=tuple(items[row.run_id] for row in plainest(family)),
            items=tuple(items.values()),
            published=tuple(published(family.rows[0].model, one) for one in family.references),
        )


def _item(row: ResultRow, summary: Summary) -> Item:
    run = summary.run
    return Item(
        line=line(row),
        conditions=terminal.conditions(run),
        command=run.command,
        facts=tuple((name, value) for name, value in _facts(summary) if value),
        warnings=tuple(map(said_of, run.notices)),
    )


def _facts(summary: Summary) -> Iterator[tuple[str, str | None]]:
    """What the table has no room for."""
    run, ttft = summary.run, summary.ttft_s
    yield "run", run.run_id
    yield "measured", f"{run.created_utc[:16].replace('T', ' ')} UTC, {run.status}"
    yield "trials", f"{summary.trials} measured, {summary.failures} failed"
    if ttft:
        bounds = f"{milliseconds(ttft.low)}–{milliseconds(ttft.high)}" if ttft.low else MISSING
        yield "time to first token", f"{milliseconds(ttft.value)} (95 %: {bounds}; n = {ttft.n})"
    yield "latency", terminal.latency_line(run)
    yield "the server's own count", terminal.native_line(summary)
    if run.predicted_memory_bytes or summary.peak_memory_bytes:
        predicted, peak = memory(run.predicted_memory_bytes), memory(summary.peak_memory_bytes)
        yield "memory", f"{peak} at most, {predicted} predicted"
    yield "weights", _weights(run)


def _weights(run: Run) -> str | None:
    """Which weights, as exactly as is known."""
    target, found = run.arm.target, run.checkpoint
    parts = [
        target.repository,
        f"revision {target.revision}" if target.revision else None,
        "random, of the model's exact shape" if target.synthetic else None,
        f"fingerprint {found.fingerprint[:12]}" if found and found.fingerprint else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _sources(gathered: Gathered) -> Iterator[str]:
    """Where the published figures come from."""
    shown: dict[Reference, None] = {}
    for row in gathered.rows:
        shown |= dict.fromkeys(gathered.references.get(row.model, ()))
    said = (f"{one.engine}, {one.machine}, {one.workload} ({one.source})" for one in shown)
    yield from dict.fromkeys(said)


def _warnings(gathered: Gathered) -> Iterator[tuple[str, str]]:
    """Each kind of warning once, as its newest result has it, the most frequent kind first."""
    runs = {summary.run.run_id: summary.run for summary in gathered.summaries}
    runs |= {probe.run.run_id: probe.run for probe in gathered.probes}
    kinds: dict[str, list[str]] = {}
    for run in sorted(runs.values(), key=lambda run: run.created_utc, reverse=True):
        for code, said in {notice.code: said_of(notice) for notice in run.notices}.items():
            kinds.setdefault(code, []).append(said)
    for newest, *others in sorted(kinds.values(), key=len, reverse=True):
        of_all = "newest of " if set(others) - {newest} else ""
        yield newest, of_all + counted(1 + len(others), "result")
