"""`mlxbench lab-note`: the lab note's whole table, measured again on this machine."""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.parameters import (
    Names,
    json_option,
    rate_budget_option,
    registry_option,
    samples_option,
    server_options,
    store_option,
    token_budget_option,
)
from mlxbench.cli.reach import SERVERS

NOTES_MODELS = "qwen3-30b-a3b,qwen3-32b,qwen3-235b-a22b"
ENGINES = ("mlx", *SERVERS)


class Engines(Names):
    """Names of engines separated by commas."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = super().convert(value, param, ctx)
        for name in names:
            if name not in ENGINES:
                self.fail(f"{name!r} is no engine; use {', '.join(ENGINES)}", param, ctx)
        return tuple(dict.fromkeys(names))


@click.command("lab-note")
@click.option(
    *("--models", "--model"),
    type=Names(),
    default=NOTES_MODELS,
    show_default=True,
    help="Registry names; several by commas.",
)
@click.option(
    "--engines",
    type=Engines(),
    default="mlx,ollama",
    show_default=True,
    help="What runs them; several by commas.",
)
@samples_option("Replies to the poem, by each model on each engine.")
@token_budget_option("Tokens of a reply to the poem at most, thoughts included.")
@click.option(
    "--prompt",
    type=click.Choice(["script", "note"]),
    default="script",
    show_default=True,
    help="The poem as the note's script sent it, which its verdicts come from, or as it prints it.",
)
@click.option("--synthetic", is_flag=True, help="In process, use random weights of exact shape.")
@rate_budget_option
@click.option("--afresh", is_flag=True, help="Measure again what is measured already.")
@server_options
@registry_option
@store_option
@json_option
def lab_note(**settings: Any) -> None:
    """Measure the lab note's table again: its models, MLX and Ollama, speed and verdict.

    First says how long it may take. Then each model on each engine: the rate by the note's own
    procedure, the rate as mlxbench measures it, and the poem. The same command again goes on where
    it was broken off. Ends in the note's table, what was measured beside what it published. Exit
    code 1 when a part could not be measured.
    """
    from mlxbench.cli.lab_note_run import run_lab_note

    run_lab_note(**settings)
