"""`mlxbench roofline`: what a model can reach at most, and what it will reach here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from mlxbench.cli.parameters import Counts, Names, json_option, registry_option, store_option

STATED = "spec"
LEAST = 1e8  # bytes per second; whoever types less means GB/s


class BytesPerSecond(click.ParamType[float | str]):
    """A bandwidth, or the word for the one that the chip's maker states."""

    name = "bytes/s"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        if value == STATED:
            return STATED
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not (math.isfinite(found) and found >= LEAST):
            self.fail(
                f"{value!r} is no bandwidth; give bytes per second (819e9, not 819) or spec",
                param,
                ctx,
            )
        return found


@click.command()
@click.option(
    "--model",
    "models",
    type=Names(),
    required=True,
    help="Registry name, directory or hf:owner/repo[@revision]; several by commas.",
)
@click.option(
    "--bandwidth",
    type=BytesPerSecond(),
    metavar="BYTES_PER_S",
    help="Of the memory, such as 819e9; spec: what the maker of this machine's chip states.  "
    "[default: measured now]",
)
@click.option(
    *("-d", "--depth"),
    type=Counts(0),
    default="0,4096,32768,131072",
    show_default=True,
    help="Tokens of context; several by commas.",
)
@store_option
@registry_option
@json_option
def roofline(
    models: tuple[str, ...],
    bandwidth: float | str | None,
    depth: tuple[int, ...],
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
) -> None:
    """Show what bounds a model: bytes per token, kernels per token, ceilings.

    Nothing is downloaded: a registry name is enough, as is a directory. Rates that were measured on
    this machine stand beside the ceilings, with what a fit to them predicts.
    """
    from mlxbench.cli.roofline_run import show_rooflines

    show_rooflines(models, bandwidth, depth, db, models_file, as_json)
