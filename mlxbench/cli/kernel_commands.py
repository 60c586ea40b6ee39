"""What `mlxbench kernels list`, `new` and `check` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mlxbench.cli.display import live_line
from mlxbench.cli.output import console, print_json
from mlxbench.lab import backends, creating
from mlxbench.lab.checking import Check, check
from mlxbench.lab.discovery import Found, discover, pick
from mlxbench.report import kernel_tables


def list_experiments(folder: Path | None, as_json: bool) -> None:
    """Print what there is."""
    found = discover(folder)
    if as_json:
        print_json({"kernels": [_listed(one) for one in found.values()]})
    else:
        console().print(kernel_tables.list_table([_listed(one) for one in found.values()]))


def new_experiment(name: str, folder: Path, as_json: bool) -> None:
    """Make it, and say what to do next."""
    place = creating.create(name, folder)
    if as_json:
        print_json({"created": str(place)})
        return
    console().print(
        f"made {place}\nchange it, then: mlxbench kernels check {name} --kernels {folder}",
        soft_wrap=True,
    )


def check_experiments(
    names: Sequence[str], backend: str, folder: Path | None, as_json: bool
) -> None:
    """Check what was named, or all; exit code 1 when something fails."""
    chosen = pick(discover(folder), tuple(names))
    runner = backends.choose(backend)
    checks: list[Check] = []
    with live_line() as show:
        for found in chosen:
            show(f"checking {found.experiment.name} on {runner.verified_by} …", True)
            checks += check(
                found,
                runner,
                lambda what: show(f"checking {what} …", False),
            )
    if as_json:
        print_json({"checks": [asdict(one) for one in checks]})
    else:
        for part in kernel_tables.check_report(checks):
            console().print(part)
    if not all(one.passed for one in checks):
        raise SystemExit(1)


def _listed(found: Found) -> dict[str, object]:
    experiment = found.experiment
    return {
        "name": experiment.name,
        "summary": experiment.summary,
        "kernels": [kernel.name for kernel in experiment.kernels],
        "launches": list(experiment.launches),
        "predicted_ratio": [experiment.prediction.low, experiment.prediction.high],
        "folder": str(found.folder),
        "digest": found.digest,
    }
