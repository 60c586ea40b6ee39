"""`mlxbench results`: what was measured before."""

from __future__ import annotations

from pathlib import Path

import click

from mlxbench.cli.parameters import json_option, store_option, store_path
from mlxbench.cli.report import report


@click.group()
def results() -> None:
    """Show, export and report what was measured."""


results.add_command(report)


@results.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    default=20,
    show_default=True,
    help="At most this many, newest first.",
)
@store_option
@json_option
def list_results(limit: int, db: Path | None, as_json: bool) -> None:
    """List the newest results.

    Chains of kernels, which `kernels bench` and `claims run` time, are shown by their ids alone.
    """
    from mlxbench.cli.output import console, print_json
    from mlxbench.report import comparison, document, listed, terminal, verdicts
    from mlxbench.report.summary import summarise
    from mlxbench.store import Store

    with Store.open(store_path(db), create=False) as store:
        measured, compared = listed.runs(store), listed.comparisons(store)
        runs = measured[:limit]
        probes = verdicts.newest(store, runs)
        facts = store.trial_facts([run.run_id for run in runs])
        read = [comparison.read(store, found.comparison_id) for found in compared[:limit]]
    summaries = [summarise(run, facts[run.run_id]) for run in runs]
    if as_json:
        print_json(document.results(summaries, probes))
        return
    out = console()
    out.print(terminal.results_table(summaries, probes))
    if said := listed.left_out(len(runs), measured, "runs"):
        out.print(said, style="dim")
    if read:
        out.print()
        out.print(comparison.list_table(read))
    if said := listed.left_out(len(read), compared, "comparisons"):
        out.print(said, style="dim")


@results.command()
@click.argument("run")
@click.option(
    "--reply",
    type=click.IntRange(0),
    metavar="N",
    help="Of a probe: print reply N as it came, without control characters.",
)
@store_option
@json_option
def show(run: str, reply: int | None, db: Path | None, as_json: bool) -> None:
    """Show one result or comparison, with conditions. RUN may be the start of an id."""
    from mlxbench.cli.measuring import summaries
    from mlxbench.cli.output import console, print_json
    from mlxbench.errors import InputError
    from mlxbench.records import Probe
    from mlxbench.report import comparison, document, listed, probe_tables, terminal
    from mlxbench.store import Store

    if not run.isprintable() or not run.isascii():
        raise InputError(f"no run {run!r}", "run `mlxbench results list` to see them")
    with Store.open(store_path(db), create=False) as store:
        full, is_comparison = listed.full_id(store, run)
        if is_comparison:
            compared = comparison.read(store, full)
            if as_json:
                print_json(comparison.document(compared))
            else:
                console().print(*comparison.report(compared), sep="\n")
            return
        (summary,) = summaries(store, [full])
        whole = summary.run
    if reply is not None:
        console().print(probe_tables.raw_reply(whole, reply), soft_wrap=True)
        return
    if as_json:
        print_json(document.whole_run(whole))
        return
    probing = isinstance(whole.arm.task, Probe)
    parts = probe_tables.run_report(summary) if probing else terminal.run_report(summary)
    for part in parts:
        console().print(part)


@results.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "md"]),
    default="csv",
    show_default=True,
    help="Format of the rows.",
)
@click.option(
    "--every-run",
    is_flag=True,
    help="A row for each run.  [default: the latest of each model, workload and settings]",
)
@click.option(
    *("-o", "--output"), type=click.Path(path_type=Path), help="File to write.  [default: stdout]"
)
@store_option
def export(kind: str, every_run: bool, output: Path | None, db: Path | None) -> None:
    """Export results as rows, with intervals, conditions and versions."""
    from mlxbench.errors import InputError
    from mlxbench.report import listed, verdicts
    from mlxbench.report.export import to_csv, to_jsonl
    from mlxbench.report.markdown import rows_table
    from mlxbench.report.rows import latest, row
    from mlxbench.report.summary import summarise
    from mlxbench.store import Store

    with Store.open(store_path(db), create=False) as store:
        facts, runs = store.trial_facts(), listed.runs(store)
        probes = verdicts.newest(store, runs)
        rows = [row(summarise(run, facts[run.run_id]), probes.get(run.run_id)) for run in runs]
    write = {"csv": to_csv, "jsonl": to_jsonl, "md": rows_table}[kind]
    text = write(rows if every_run else latest(rows))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write {output} ({error.strerror})", "choose another place with --output"
        ) from error
