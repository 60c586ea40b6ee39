"""`decode --resident` and `prefill --resident`: all models in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlxbench.cli.measuring import in_session, summaries
from mlxbench.cli.output import console, print_json, print_warnings
from mlxbench.cli.reach import SERVERS
from mlxbench.cli.timing_options import Settings
from mlxbench.errors import InputError
from mlxbench.measure import Job, Session
from mlxbench.measure.residency import measure_resident
from mlxbench.records import Arm, Target
from mlxbench.report import terminal
from mlxbench.report.residency import (
    APART,
    Shared,
    memory_table,
    residency_document,
    shared,
    speed_table,
)
from mlxbench.report.summary import Summary


def measure_residents(
    settings: Settings, arms: Callable[[Target], Sequence[Arm]], command: str
) -> list[Summary]:
    """Measure alone and together, print both, and return the summaries of all runs."""
    _refuse_without_company(settings)
    found = in_session(settings, arms, command, _measured)
    _show(found, settings.as_json)
    return [summary for one in found for summary in (one.alone, one.together)]


def _refuse_without_company(settings: Settings) -> None:
    if settings.engine in SERVERS:
        raise InputError(
            f"--resident holds models in this process, and {settings.engine} holds its own",
            "leave out --resident, or --engine",
        )
    if len(set(settings.models)) < 2:
        raise InputError(
            f"--resident needs two models and got {', '.join(settings.models)}",
            "name several by commas: --model qwen3-30b-a3b,qwen3-32b",
        )


def _measured(jobs: Sequence[Job], session: Session) -> list[Shared]:
    runs = measure_resident(jobs, session)
    alone, together = (summaries(session.store, ids) for ids in (runs.alone, runs.together))
    return [shared(*pair) for pair in zip(alone, together, strict=True)]


def _show(found: Sequence[Shared], as_json: bool) -> None:
    if as_json:
        print_json(residency_document(found))
        return
    out = console()
    every = [summary for one in found for summary in (one.alone, one.together)]
    out.print(speed_table(found))
    out.print(memory_table(found))
    for line in terminal.shared_conditions(summary.run for summary in every):
        out.print(line, style="dim")
    out.print(APART, style="dim")
    ids = " ".join(summary.run.run_id for summary in every)
    out.print(f"kept as {ids}", style="dim", soft_wrap=True)
    print_warnings(every)
