"""Everything that a report is made of, read from the store once.

A report shows what holds now: of the same model, workload, settings and machine the newest run
alone (`rows.latest`). The runs of a comparison are left out here, also those of one that was broken
off: they were interleaved with other arms, and the comparison shows what they were measured for.

Where a record of the past is wanted, use the store itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlxbench.measure.interleaving import WORKLOAD as COMPARISON
from mlxbench.records import (
    Comparison,
    Environment,
    Options,
    Probe,
    Reference,
    Run,
    Timed,
    machine_key,
)
from mlxbench.report import comparison, listed, verdicts
from mlxbench.report.comparison import Read
from mlxbench.report.probes import ProbeResult, graded
from mlxbench.report.rows import ResultRow, latest, row
from mlxbench.report.summary import Summary, summarise
from mlxbench.store import Store


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a report shows, newest first.

    `rows[i]` is the row of `summaries[i]`. Only runs in stepped mode carry their trials here: a
    trace needs them. `references` are published figures by model name or Ollama tag; `environments`
    has the machine of each comparison by its id.
    """

    summaries: tuple[Summary, ...] = ()
    rows: tuple[ResultRow, ...] = ()
    comparisons: tuple[Read, ...] = ()
    probes: tuple[ProbeResult, ...] = ()
    references: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)


def gather(store: Store, references: Mapping[str, tuple[Reference, ...]]) -> Gathered:
    """Read everything that a report shows."""
    compared = listed.comparisons(store)
    theirs = {run_id for one in compared for run_id in _run_ids(one)}
    everything = listed.runs(store)
    runs = [run for run in everything if run.run_id not in theirs and run.workload != COMPARISON]
    summaries, rows = _newest(store, runs)
    machine_of = {run.run_id: run.environment for run in everything}
    return Gathered(
        summaries=summaries,
        rows=rows,
        comparisons=tuple(comparison.read(store, one.comparison_id) for one in compared),
        probes=tuple(graded(store.run(run.run_id)) for run in _newest_probes(runs)),
        references=references,
        environments={
            one.comparison_id: machine_of[run_id]
            for one in compared
            for run_id in list(_run_ids(one))[:1]
            if run_id in machine_of
        },
    )


def _run_ids(one: Comparison) -> Iterator[str]:
    """The runs that belong to a comparison."""
    for session in (*one.sessions, *filter(None, (one.confirmation,))):
        yield from session.run_ids


def _newest(store: Store, runs: list[Run]) -> tuple[tuple[Summary, ...], tuple[ResultRow, ...]]:
    """The summaries to show and their rows, which come in the same order."""
    facts = store.trial_facts([run.run_id for run in runs])
    probes = verdicts.newest(store, runs)
    by_id = {run.run_id: summarise(run, facts[run.run_id]) for run in runs}
    kept = {
        one.run_id
        for one in latest([row(by_id[run.run_id], probes.get(run.run_id)) for run in runs])
    }
    shown = [_with_trace(store, by_id[run.run_id]) for run in runs if run.run_id in kept]
    return tuple(shown), tuple(row(one, probes.get(one.run.run_id)) for one in shown)


def _with_trace(store: Store, summary: Summary) -> Summary:
    """Stepped runs with their trials, for the latency of each token."""
    task = summary.run.arm.task
    if isinstance(task, Timed) and task.mode == "stepped":
        return replace(summary, run=store.run(summary.run.run_id))
    return summary


def _newest_probes(runs: Iterable[Run]) -> list[Run]:
    """The newest of each weights × questions × settings; one that lacks replies only alone."""
    kept: dict[tuple[object, ...], Run] = {}
    for run in runs:
        if not isinstance(run.arm.task, Probe):
            continue
        key = _probe_key(run, run.arm.task)
        if key not in kept or (run.status == "done" and kept[key].status != "done"):
            kept[key] = run
    return list(kept.values())


def _probe_key(run: Run, probe: Probe) -> tuple[object, ...]:
    """What makes two probes the same one repeated: seeds and numbers of samples may differ."""
    sampler = replace(probe.sampler, seed=0)
    asked = replace(probe, samples=1, sampler=sampler, batch_size=None)
    weights = run.checkpoint.fingerprint if run.checkpoint else None
    options: Options = run.arm.options
    return (
        *(run.arm.target.engine, weights or run.arm.target.model, asked, options),
        *machine_key(run.environment),
    )
