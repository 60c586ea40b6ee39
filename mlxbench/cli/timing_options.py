"""What `decode` and `prefill` share: their options, and the settings that come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mlxbench.cli.parameters import (
    Counts,
    Real,
    engine_option,
    json_option,
    models_option,
    registry_option,
    server_options,
    store_option,
)
from mlxbench.cli.reach import Reach


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asked for, apart from the lists that expand to arms."""

    models: tuple[str, ...]
    synthetic: bool
    layers: int | None
    models_file: Path | None
    db: Path | None
    trials: int | None
    warmup: int | None
    budget: float
    as_json: bool
    engine: str = "mlx"
    url: str | None = None
    allow_remote: bool = False
    unload: bool = False
    workload: str = "standard"
    tokenizers: bool = True  # whether prompts of an exact length are wanted from a server
    afresh: bool = False
    resident: bool = False

    @property
    def reach(self) -> Reach:
        """How servers may be reached."""
        return Reach(self.url, self.allow_remote, self.unload)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

WHAT: tuple[Decorator, ...] = (
    models_option,
    engine_option,
    click.option(
        *("-p", "--prompt-tokens"),
        type=Counts(1),
        default="512",
        show_default=True,
        help="Prompt length; several by commas.",
    ),
    click.option(
        *("-d", "--depth"),
        type=Counts(0),
        default="0",
        show_default=True,
        help="Tokens in the KV cache before the prompt; several by commas.",
    ),
    click.option(
        *("-b", "--batch-size"),
        type=Counts(1),
        default="1",
        show_default=True,
        help="Sequences processed together; several by commas.",
    ),
)

HOW: tuple[Decorator, ...] = (
    click.option(
        *("-r", "--trials"),
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Measure exactly this many trials.  [default: until ± 1 % or the budget]",
    ),
    click.option(
        "--warmup",
        type=click.IntRange(0, 1000),
        metavar="N",
        help="Discard exactly this many trials.  [default: until steady, at most 12]",
    ),
    click.option(
        "--budget",
        type=Real(0, 86_400, min_open=True),
        metavar="SECONDS",
        default=60.0,
        show_default=True,
        help="For warm-up and trials of one measurement; loading not counted.",
    ),
    click.option(
        "--kv-bits", type=click.Choice(["4", "8"]), help="Quantise the KV cache.  [default: no]"
    ),
    click.option(
        "--prefill-step-size",
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        default=2048,
        show_default=True,
        help="Prompt tokens per forward.",
    ),
    click.option(
        "--resident",
        is_flag=True,
        help="Hold all models in memory at once, too, and show what that costs each.",
    ),
    click.option(
        "--synthetic", is_flag=True, help="Use random weights of the model's exact shape."
    ),
    click.option(
        "--layers",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="With random weights: only this many layers.",
    ),
    server_options,
    registry_option,
    store_option,
    json_option,
)


def timing_options(*own: Decorator) -> Decorator:
    """The shared options, with a command's `own` between what is measured and how."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((*WHAT, *own, *HOW)):
            command = option(command)
        return command

    return decorate
