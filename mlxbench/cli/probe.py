"""`mlxbench probe`: does the model notice what the poem's first letters spell?

So far this is the lab note's own question and rule, repeated and with an interval.
"""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.parameters import (
    engine_option,
    json_option,
    models_option,
    registry_option,
    server_options,
    store_option,
)


@click.command()
@models_option
@engine_option
@click.option(
    "--samples",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=20,
    show_default=True,
    help="Replies of each model.",
)
@click.option(
    "--token-budget",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    default=16_384,
    show_default=True,
    help="Tokens of a reply at most, thoughts included; the same for every model.",
)
@click.option(
    "--prompt",
    type=click.Choice(["note", "script"]),
    default="note",
    show_default=True,
    help="The lab note's prompt, or its script's, which sends a backslash and an n.",
)
@server_options
@registry_option
@store_option
@json_option
def probe(**settings: Any) -> None:
    """Ask a model for a poem's significance, and see whether it notices the acrostic.

    PASS means that the reply holds the phrase, by the rule of the lab note's script, for comparison
    with its table. Sampled as Qwen advises (temperature 0.6, top-p 0.95, top-k 20), each reply with
    a seed of its own; every reply is kept. Exit code 1 when a model gave no reply.
    """
    from mlxbench.cli.probing import probe_models

    probe_models(**settings)
