"""Results on stdout: tables for people, one document for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from mlxbench.cli.display import stderr
from mlxbench.records import SCHEMA_VERSION, Kind
from mlxbench.report import document, terminal
from mlxbench.report.summary import Summary


def console() -> Console:
    """Stdout, for tables and text; colours only on a terminal."""
    return Console(highlight=False, markup=False)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON document with its schema version; NaN cannot get this far, and would stop here."""
    versioned = {"schema_version": SCHEMA_VERSION, **value}
    click.echo(json.dumps(versioned, indent=2, ensure_ascii=False, allow_nan=False))


def print_results(summaries: Sequence[Summary], kind: Kind, as_json: bool) -> None:
    """The measured arms, their conditions and warnings, and where to find them again."""
    if as_json:
        print_json(document.results(summaries))
        return
    out = console()
    table = terminal.prefill_table if kind == "prefill" else terminal.decode_table
    out.print(table(summaries))
    for line in terminal.shared_conditions([summary.run for summary in summaries]):
        out.print(line, style="dim")
    for summary in summaries:
        for said in (terminal.latency_line(summary.run), terminal.native_line(summary)):
            if said:
                out.print(said)
    ids = " ".join(summary.run.run_id for summary in summaries)
    out.print(f"kept as {ids}", style="dim", soft_wrap=True)
    print_warnings(summaries)


def print_warnings(summaries: Sequence[Summary]) -> None:
    """Each different warning once, on stderr."""
    lines = [
        terminal.notice_line(notice) for summary in summaries for notice in summary.run.notices
    ]
    for line in dict.fromkeys(lines):
        stderr.print(line, style="yellow")
