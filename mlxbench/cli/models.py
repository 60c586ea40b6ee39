"""`mlxbench models`: which models there are, where they are, and whether they are sound."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from mlxbench.cli.parameters import json_option, registry_option


@click.group()
def models() -> None:
    """List, show, fetch, verify, make and export models."""


@models.command("list")
@click.option("--local", is_flag=True, help="What is on this disk already, from other tools too.")
@registry_option
@json_option
def list_models(local: bool, models_file: Path | None, as_json: bool) -> None:
    """List the models known by name, or with --local those on this disk."""
    from mlxbench import registry
    from mlxbench.cli.output import console, print_json
    from mlxbench.report import model_tables

    known = registry.load(models_file)
    if local:
        from mlxbench.cli.local_models import find

        found = find(known)
        if as_json:
            print_json({"local": [asdict(model) for model in found]})
        elif found:
            console().print(model_tables.local_table(found))
        else:
            click.echo("nothing found; fetch a model with `mlxbench models pull NAME`", err=True)
        return
    if as_json:
        print_json({"models": [asdict(spec) for spec in known.values()]})
    else:
        out = console()
        out.print(model_tables.models_table(list(known.values()), _on_cpu(), out.width))


@models.command()
@click.argument("name")
@registry_option
@json_option
def show(name: str, models_file: Path | None, as_json: bool) -> None:
    """Show one model: its sources, shape, sizes and published figures."""
    from mlxbench import registry
    from mlxbench.cli.output import console, print_json
    from mlxbench.report import model_tables

    spec = registry.find(registry.load(models_file), name)
    if as_json:
        print_json({"model": asdict(spec), "sizes": model_tables.sizes(spec, _on_cpu())})
        return
    for part in model_tables.model_report(spec, _on_cpu()):
        console().print(part)


@models.command()
@click.argument("name")
@registry_option
@json_option
def pull(name: str, models_file: Path | None, as_json: bool) -> None:
    """Download a model, or finish a download that was cut off.

    NAME is a registry name or hf:owner/repo[@revision]. HF_ENDPOINT, HF_TOKEN, HF_HOME and
    HF_HUB_OFFLINE mean what they mean to huggingface_hub, whose cache is used.
    """
    from mlxbench import checkpoints, registry
    from mlxbench.cli.display import transfer
    from mlxbench.cli.output import print_json
    from mlxbench.cli.targets import hub_reference

    place = hub_reference(name, registry.load(models_file))
    with transfer(f"downloading {place.repository}") as progress:
        snapshot = checkpoints.pull(place.repository, place.revision, progress)
    if as_json:
        print_json({"pulled": {**asdict(snapshot), "directory": str(snapshot.directory)}})
    else:
        click.echo(f"{snapshot.repository} at {snapshot.commit}\n{snapshot.directory}")


@models.command()
@click.argument("name")
@registry_option
@json_option
def verify(name: str, models_file: Path | None, as_json: bool) -> None:
    """Check a model on this disk: headers, index, sizes, and hashes where the hub gave them.

    NAME is a registry name, a directory or hf:owner/repo[@revision]. Exit code 1 when one fails.
    """
    from mlxbench import checkpoints, registry
    from mlxbench.cli.display import transfer
    from mlxbench.cli.output import console, print_json
    from mlxbench.cli.targets import on_this_disk
    from mlxbench.report import model_tables

    directory, expected = on_this_disk(name, registry.load(models_file))
    with transfer(f"hashing {directory.name}") as progress:
        findings = checkpoints.verify(directory, expected, progress)
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        console().print(model_tables.findings_table(findings))
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@models.command()
@click.argument("name")
@click.option("--layers", type=click.IntRange(1, 1000), metavar="N", help="Only this many layers.")
@registry_option
@json_option
def synth(name: str, layers: int | None, models_file: Path | None, as_json: bool) -> None:
    """Make a checkpoint of NAME's exact shape with random weights, and print its directory.

    It lies in the cache and is used again by --synthetic.
    """
    from mlxbench import registry
    from mlxbench.cli.output import print_json
    from mlxbench.cli.targets import Request, resolve

    target = resolve(Request(name, synthetic=True, layers=layers), registry.load(models_file))
    if as_json:
        print_json({"synthetic": {"model": target.model, "directory": target.location}})
    else:
        click.echo(target.location)


@models.command("export-gguf")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the files.  [default: gguf/NAME in the user's cache directory]",
)
@click.option("--synthetic", is_flag=True, help="Random weights of NAME's exact shape.")
@click.option("--layers", type=click.IntRange(1, 1000), metavar="N", help="Only this many layers.")
@registry_option
@json_option
def export_gguf(
    name: str,
    output: Path | None,
    synthetic: bool,
    layers: int | None,
    models_file: Path | None,
    as_json: bool,
) -> None:
    """Write a 4-bit Qwen-3 as GGUF with identical weights, and a Modelfile for Ollama.

    NAME is a registry name, a directory or hf:owner/repo[@revision]. A comparison of MLX with the
    model made from these files compares engines and nothing else.
    """
    from mlxbench import checkpoints, gguf_export, registry
    from mlxbench.cli.display import transfer
    from mlxbench.cli.exported import print_export
    from mlxbench.cli.targets import Request, resolve
    from mlxbench.paths import cache_directory

    target = resolve(Request(name, synthetic, layers), registry.load(models_file))
    checkpoint = checkpoints.inspect(
        Path(target.location), target.model, target.source, target.repository, target.revision
    )
    folder = cache_directory() / gguf_export.FOLDER / gguf_export.file_name(target.model)
    with transfer(f"exporting {target.model}") as progress:
        made = gguf_export.export(checkpoint, output or folder, progress)
    print_export(made, as_json)


def _on_cpu() -> bool:
    """Whether nothing but the CPU computes here: made-up weights are larger for it."""
    from mlxbench.environment.mlx_device import collect_accelerator

    return collect_accelerator().backend == "cpu"
