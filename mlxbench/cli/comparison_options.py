"""What `compare` and `ab` share: what every arm does, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from mlxbench.cli.parameters import (
    Real,
    json_option,
    registry_option,
    server_options,
    store_option,
)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

WHAT: tuple[Decorator, ...] = (
    click.option(
        "--metric",
        type=click.Choice(["decode", "median-gap", "prefill", "ttft"]),
        default="decode",
        show_default=True,
        help="decode: mean time per token. median-gap: median time between tokens. prefill and "
        "ttft: time to the first token.",
    ),
    click.option(
        *("-p", "--prompt-tokens"),
        type=click.IntRange(1, 10_000_000),
        metavar="N",
        default=512,
        show_default=True,
        help="Prompt length of every arm.",
    ),
    click.option(
        *("-g", "--generation-tokens"),
        type=click.IntRange(2, 10_000_000),
        metavar="N",
        default=128,
        show_default=True,
        help="Tokens that every arm generates in a trial.",
    ),
)

HOW: tuple[Decorator, ...] = (
    click.option(
        "--budget",
        type=Real(0, 86_400, min_open=True),
        metavar="SECONDS",
        default=60.0,
        show_default=True,
        help="Measuring time of all sessions; loading and warm-up come on top.",
    ),
    click.option(
        "--pairs",
        type=click.IntRange(4, 100_000),
        metavar="N",
        help="Plan exactly this many pairs per session.  [default: what the budget allows]",
    ),
    click.option(
        "--sessions",
        type=click.IntRange(1, 1000),
        metavar="N",
        default=1,
        show_default=True,
        help="Repeat loading and trials in so many fresh processes.",
    ),
    click.option(
        "--check/--no-check",
        default=True,
        show_default=True,
        help="Where the last arm is a server, also take its rate from requests of two lengths: "
        "some more pairs of trials, afterwards.",
    ),
    click.option("--null", is_flag=True, help="Also run the first arm against itself."),
    click.option("--strict", is_flag=True, help="Refuse to measure on a machine that is not fit."),
    click.option(
        "--plan", is_flag=True, help="Run a short pilot and tell how long a real comparison takes."
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        metavar="N",
        default=0,
        show_default=True,
        help="Of the order of trials, and of the prompts where no server takes part.",
    ),
    server_options,
    registry_option,
    store_option,
    json_option,
)


def comparison_options(*own: Decorator, first: Sequence[Decorator] = ()) -> Decorator:
    """The shared options, with a command's `own` between what is done and how it is compared."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((*first, *WHAT, *own, *HOW)):
            command = option(command)
        return command

    return decorate
