"""The lab note's table: what it published, and what was measured here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench.records import Generate, Probe, Reference, Timed
from mlxbench.report import probe_document
from mlxbench.report.document import estimate
from mlxbench.report.format import MISSING, half_width, rate
from mlxbench.report.probes import ProbeResult, graded
from mlxbench.report.summary import Summary
from mlxbench.report.terminal import conditions, model_name, table, text, verdict
from mlxbench.store import Store

COLUMNS_MEAN = (
    "note and FOMO: as published; its verdicts are one reply each, by its own rule. its rule: "
    "here, the mean of 3 native rates by the engine's own count, sampled, as the note did. tok/s: "
    "here, greedy, N-1 intervals for N tokens; a server's, without a tokenizer for exact prompts, "
    "is that of its replies to the poem. here: final answers that give the phrase."
)


@dataclass(frozen=True, slots=True)
class NoteRow:
    """One model on one engine, as published and as measured; `failure` says what is missing."""

    model: str
    engine: str
    published: Reference | None = None
    summaries: tuple[Summary, ...] = ()
    probe: ProbeResult | None = None
    failure: str | None = None

    @property
    def native(self) -> Summary | None:
        """By the note's procedure."""
        return self._first(Generate)

    @property
    def measured(self) -> Summary | None:
        """By ours."""
        rated = (self._first(Timed), self._first(Probe))
        return next((one for one in rated if one and one.decode_tps), None)

    @property
    def incomplete(self) -> bool:
        """Whether a part was measured, but not to its end."""
        return any(one.run.status != "done" for one in self.summaries)

    def _first(self, task: type[Generate] | type[Timed] | type[Probe]) -> Summary | None:
        return next((one for one in self.summaries if isinstance(one.run.arm.task, task)), None)


def probe_of(store: Store, run_ids: Sequence[str]) -> ProbeResult | None:
    """The graded probe among some runs."""
    runs = (store.run(run_id) for run_id in run_ids)
    return next((graded(run) for run in runs if isinstance(run.arm.task, Probe)), None)


def report(rows: Sequence[NoteRow]) -> Iterator[Table | Text]:
    """The table, why rows are missing, and the conditions."""
    yield whole_table(rows)
    for row in rows:
        if row.failure:
            yield text(f"{row.model}, {row.engine}: {row.failure}")
    yield Text(COLUMNS_MEAN, style="dim")
    shown = (conditions(row.measured.run) for row in rows if row.measured)
    for line in dict.fromkeys(shown):
        yield Text(line, style="dim")


def whole_table(rows: Sequence[NoteRow]) -> Table:
    """A line for each model and engine, published columns beside measured ones."""
    made = table(
        *("model", "engine", "note", "its rule", "tok/s", "± 95 %", "FOMO", "here"),
        right=("note", "its rule", "tok/s", "± 95 %"),
    )
    for row in rows:
        tps = row.measured.decode_tps if row.measured else None
        made.add_row(
            text(row.model),
            row.engine,
            rate(row.published.decode_tps if row.published else None),
            rate(row.native.native_decode_tps if row.native else None),
            rate(tps.value if tps else None),
            half_width(tps.relative_half_width) if tps else MISSING,
            (row.published.probe if row.published else None) or MISSING,
            verdict(row.probe),
        )
    return made


def document(row: NoteRow) -> dict[str, Any]:
    """One line as scripts see it."""
    native, measured = row.native, row.measured
    return {
        "model": row.model,
        "engine": row.engine,
        "published": asdict(row.published) if row.published else None,
        "native_decode_tps": native.native_decode_tps if native else None,
        "native_trials": native.trials if native else 0,
        "decode_tps": estimate(measured.decode_tps) if measured else None,
        "probe": probe_document.document(row.probe, measured) if row.probe else None,
        "failure": row.failure,
        "run_ids": [summary.run.run_id for summary in row.summaries],
    }


def rate_table(summaries: Sequence[Summary], published: Mapping[str, Reference]) -> Table:
    """Native rates by the lab note's procedure beside the lab note's own."""
    made = table(
        *("model", "tok/s here", "n", "tok/s in the note", "probe here", "probe in the note"),
        right=("tok/s here", "n", "tok/s in the note"),
    )
    for summary in summaries:
        reference = published.get(summary.run.arm.target.model)
        made.add_row(
            text(model_name(summary.run)),
            rate(summary.native_decode_tps),
            str(summary.trials),
            rate(reference.decode_tps if reference else None),
            MISSING,
            (reference.probe if reference else None) or MISSING,
        )
    return made
