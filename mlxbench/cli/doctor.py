"""`mlxbench doctor`: may one measure here and now?"""

from __future__ import annotations

from pathlib import Path

import click

from mlxbench.cli.parameters import json_option, registry_option, store_option, store_path
from mlxbench.errors import EXIT_FAILED, InputError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--model", metavar="NAME", help="Also whether this model is on this disk and fits into memory."
)
@click.option(
    "--url",
    metavar="ADDRESS",
    help="Ollama's address on this machine.  [default: $OLLAMA_HOST, else 127.0.0.1:11434]",
)
@click.option("--strict", is_flag=True, help="Be ready only where there is no warning either.")
@click.option(
    "--self-test",
    is_flag=True,
    help="Verify mlxbench on this machine in about five minutes, into a file, instead. Its cache "
    "holds up to 3.2 GB of made-up weights meanwhile (0.4 GB without a GPU).",
)
@click.option(
    "--output", type=_FILE, metavar="FILE", help="Where --self-test writes what it found."
)
@click.option("--read", "read", type=_FILE, metavar="FILE", help="Show such a file instead.")
@store_option
@registry_option
@json_option
def doctor(
    model: str | None,
    url: str | None,
    strict: bool,
    self_test: bool,
    output: Path | None,
    read: Path | None,
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
) -> None:
    """Say what would spoil a measurement now, and how to fix it.

    Exit code 0 when ready to measure, 1 when not. Only problems stand against it: no MLX, another
    mlxbench at work, a store that cannot be written, a model that does not fit. Warnings make
    figures worth less; --strict counts them too.
    """
    _refuse_mixed(self_test, output, read, model or url or strict)
    if read is not None:
        from mlxbench.cli.selftest import read_self_test

        read_self_test(read, as_json)
    elif self_test:
        from mlxbench.cli.selftest import run_self_test

        run_self_test(output, as_json)
    else:
        _examine(model, url, strict, store_path(db), models_file, as_json)


def _refuse_mixed(
    self_test: bool, output: Path | None, read: Path | None, now: str | bool | None
) -> None:
    """Raises InputError for options that have nothing to say to each other."""
    if self_test and read is not None:
        raise InputError("--self-test and --read exclude each other", "leave out one of them")
    if output is not None and not self_test:
        raise InputError("--output is for --self-test", "add --self-test, or use --json")
    if now and (self_test or read is not None):
        raise InputError(
            "--model, --url and --strict are about measuring now",
            "leave them out beside --self-test and --read",
        )


def _examine(
    model: str | None,
    url: str | None,
    strict: bool,
    store: Path,
    models_file: Path | None,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from mlxbench import doctor, registry
    from mlxbench.cli.output import console, print_json
    from mlxbench.report import doctor as report

    models = registry.load(models_file)
    found = doctor.examine(doctor.read(), store, models, _clang(), model, url)
    ready = not doctor.blocking(found, strict)
    if as_json:
        print_json({"ready": ready, "findings": [asdict(finding) for finding in found]})
    else:
        console().print(report.findings_table(found))
        console().print(report.verdict(found, strict))
    if not ready:
        raise SystemExit(EXIT_FAILED)


def _clang() -> str | InputError | None:
    """The compiler's version, or why there is none; `None` without MLX, which the lab needs."""
    try:
        from mlxbench.lab.msl import compiler
    except ImportError:
        return None
    try:
        return compiler.find().version.partition(" (http")[0]  # without where it was built from
    except InputError as error:
        return error
