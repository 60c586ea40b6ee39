"""What `models export-gguf` wrote, for people and for scripts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict

import click

from mlxbench.cli.display import stderr
from mlxbench.cli.output import console, print_json
from mlxbench.gguf_export import Export
from mlxbench.report.format import gigabytes
from mlxbench.report.terminal import table, text

SHOWN_NAMES = 3


def print_export(made: Export, as_json: bool) -> None:
    """The result on stdout, and what limits a comparison on stderr."""
    if as_json:
        print_json({"exported": {**asdict(made), "next_command": next_command(made)}})
    else:
        facts = table("", "")
        facts.show_header = False
        for name, value in _facts(made):
            facts.add_row(name, text(value))
        console().print(facts)
        click.echo(f"next: {next_command(made)}")
    for warning in _warnings(made):
        stderr.print(f"warning: {warning}", style="yellow")


def next_command(made: Export) -> str:
    """What makes a model of Ollama's out of it."""
    return shlex.join(["ollama", "create", made.ollama_name, "-f", made.modelfile])


def _facts(made: Export) -> Iterator[tuple[str, str]]:
    yield "made from", made.origin
    yield "GGUF", made.gguf
    yield "Modelfile", made.modelfile
    yield "size", f"{gigabytes(made.file_bytes)}, {made.bits_per_weight:.2f} bits per weight"
    for kind, count in made.tensors.items():
        yield kind, f"{count} tensors, {gigabytes(made.tensor_bytes[kind])}"
    yield "weights", made.findings


def _warnings(made: Export) -> Iterator[str]:
    if not made.identical:
        yield f"{made.findings}; a difference in the answers may come from that"
    if made.widened:
        names = ", ".join(made.widened[:SHOWN_NAMES])
        more = ", …" if len(made.widened) > SHOWN_NAMES else ""
        yield (
            f"{len(made.widened)} matrices are not 4-bit and stored as F32 ({names}{more}); "
            "the server reads more bytes for them than MLX does"
        )
