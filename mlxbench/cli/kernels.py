"""`mlxbench kernels`: experiments with custom kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlxbench.cli.parameters import (
    Names,
    Real,
    json_option,
    registry_option,
    store_option,
)

Function = TypeVar("Function", bound=Callable[..., Any])


def folder_option(command: Function) -> Function:
    """`--kernels`: experiments of the user's own."""
    return click.option(
        "--kernels",
        "folder",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="A folder of experiments of your own, laid over the built-in ones.",
    )(command)


def backend_option(command: Function) -> Function:
    """`--backend`: what runs the kernels."""
    return click.option(
        "--backend",
        type=click.Choice(["auto", "metal", "msl-cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="metal: the real thing. msl-cpu: the same Metal source, watched, on a CPU. cuda: a "
        "twin of it on an NVIDIA GPU. auto: the best that is here.",
    )(command)


@click.group()
def kernels() -> None:
    """Write Metal kernels, and learn whether they are right and faster."""


@kernels.command("list")
@folder_option
@json_option
def list_kernels(folder: Path | None, as_json: bool) -> None:
    """List the experiments: every folder with an experiment.py is one."""
    from mlxbench.cli.kernel_commands import list_experiments

    list_experiments(folder, as_json)


@kernels.command("new")
@click.argument("name")
@click.option(
    "--kernels",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path(),
    show_default="here",
    help="The folder to make it in.",
)
@json_option
def new(name: str, folder: Path, as_json: bool) -> None:
    """Make a folder with a kernel that passes its own check, to be changed into yours."""
    from mlxbench.cli.kernel_commands import new_experiment

    new_experiment(name, folder, as_json)


@kernels.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@backend_option
@folder_option
@json_option
def check(names: tuple[str, ...], backend: str, folder: Path | None, as_json: bool) -> None:
    """Hold experiments to their truth: every case and type, edge cases and cheating included.

    Each result names what verified it. On a machine without a GPU the Metal source itself runs on
    the CPU, watched for races, accesses out of bounds, divergence and values nobody set. Exit code
    1 when a check fails.
    """
    from mlxbench.cli.kernel_commands import check_experiments

    check_experiments(names, backend, folder, as_json)


def budget_option(command: Function) -> Function:
    """`--budget`: how long a comparison may take."""
    return click.option(
        "--budget",
        type=Real(0, 86_400, min_open=True),
        metavar="SECONDS",
        default=20.0,
        show_default=True,
        help="Measuring time of each comparison.",
    )(command)


@kernels.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@backend_option
@budget_option
@folder_option
@store_option
@json_option
def bench(**settings: Any) -> None:
    """Time experiments alone: stock, ours and the plain-MLX baselines, interleaved.

    Chains of dependent launches with rotating inputs, in microseconds and GB/s, beside the
    bandwidth of this machine's memory, which is measured first. What fails its check is not timed,
    and neither is a kernel where only the CPU runner can run it.
    """
    from mlxbench.cli.kernel_timing import bench_experiments

    bench_experiments(**settings)


@kernels.command("decode")
@click.option("--model", required=True, help="Registry name, directory or hf:owner/repo.")
@click.option(
    "--with",
    "with_kernels",
    type=Names(),
    required=True,
    help="Experiments to swap in; several by commas are tried one by one and all together.",
)
@click.option(
    *("-g", "--generation-tokens"),
    type=click.IntRange(2, 1_000_000),
    metavar="N",
    default=128,
    show_default=True,
    help="Tokens of a timed trial.",
)
@click.option(
    "--oracle", is_flag=True, help="Also time a router without cost: the most it could bring."
)
@backend_option
@budget_option
@folder_option
@registry_option
@store_option
@json_option
def decode_kernels(**settings: Any) -> None:
    """Swap kernels into a model: are they called, do tokens agree, what do they bring?

    First a few greedy tokens with each: every kernel must have been called in every layer. Then
    interleaved arms, stock against each and all together, measured beside predicted. Kernels that
    only the CPU runner can run are tried and not timed.
    """
    from mlxbench.cli.kernel_timing import decode_with_kernels

    decode_with_kernels(**settings)
