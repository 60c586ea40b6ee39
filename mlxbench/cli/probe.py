"""`mlxbench probe`: does the model notice what the first letters of a poem's lines spell?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from mlxbench.cli.parameters import (
    Real,
    engine_option,
    json_option,
    models_option,
    rate_budget_option,
    registry_option,
    server_options,
    store_option,
    token_budget_option,
)
from mlxbench.cli.routing_options import routing_options

ASKED = (
    click.option(
        "--suite",
        type=click.Choice(["fomo", "ladder", "heldout", "controls", "all"]),
        default="fomo",
        show_default=True,
        help="fomo: the lab note's poem. ladder: with ever plainer hints. heldout: fresh poems. "
        "controls: poems that hide nothing.",
    ),
    click.option(
        "--prompt",
        type=click.Choice(["note", "script"]),
        default="note",
        show_default=True,
        help="Of fomo: as the lab note prints it, or as its script sent it, with a backslash "
        "and an n.",
    ),
    click.option(
        "--samples",
        type=click.IntRange(1, 10_000),
        metavar="N",
        help="Replies to each item.  [default: 20 for fomo, else 1]",
    ),
    token_budget_option("Tokens of a reply at most, thoughts included; the same for every model."),
)
DRAWN = (
    click.option(
        "--thinking",
        type=click.Choice(["on", "off", "both"]),
        help="Whether the chat template asks for thoughts.  [default: the template's own]",
    ),
    click.option(
        "--temperature",
        type=Real(0, 10),
        metavar="N",
        help="0 is greedy, which is one sample.  [default: Qwen's advice, 0.6; 0.7 not thinking]",
    ),
    click.option(
        "--top-p",
        type=Real(0, 1, min_open=True),
        metavar="N",
        help="[default: 0.95; 0.8 not thinking]",
    ),
    click.option("--top-k", type=click.IntRange(0, 1_000_000), metavar="N", help="[default: 20]"),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**30),
        metavar="N",
        default=0,
        show_default=True,
        help="Of the first reply; the others count up from it.",
    ),
)
RUN = (
    click.option(
        *("-b", "--batch-size"),
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Replies decoded together, in process.  [default: as many as fit, at most 16]",
    ),
    click.option(
        "--no-rate", is_flag=True, help="Leave out the decode rate, which is measured first."
    ),
    rate_budget_option,
    click.option(
        "--afresh", is_flag=True, help="Begin again, even if such a probe was broken off."
    ),
    click.option("--synthetic", is_flag=True, help="Use random weights, to try the probe out."),
)


def _options(command: Any) -> Any:
    for option in reversed((*ASKED, *DRAWN, routing_options, *RUN)):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@partial(models_option, required=False)
@engine_option
@_options
@server_options
@registry_option
@store_option
@json_option
@click.pass_context
def probe(context: click.Context, /, models: tuple[str, ...] | None, **settings: Any) -> None:
    """Ask for a poem's significance, and see whether the model notices the acrostic.

    Speed and skill in one row: first the decode rate, then the replies, graded and counted with an
    interval. PASS means that at least half of the final answers give the hidden phrase. Sampled as
    Qwen advises, every reply with a seed of its own and kept as it came. The same command again
    goes on where it was broken off. Exit code 1 when replies are missing.
    """
    if context.invoked_subcommand is not None:
        return
    if not models:
        raise click.UsageError("Missing option '--model'", context)
    from mlxbench.cli.probing import probe_models

    probe_models(models, **settings)


@probe.command("grade")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--item", default=None, metavar="NAME", help="Item that was asked.  [default: fomo]")
@click.option("--phrase", metavar="TEXT", help="Instead of an item: the phrase that is hidden.")
@click.option(
    "--finish-reason",
    type=click.Choice(["stop", "length"]),
    default="stop",
    show_default=True,
    help="length: the token budget cut the replies.",
)
@json_option
def grade_files(**settings: Any) -> None:
    """Grade replies of any model: files with one reply each, or - for stdin.

    A grade is 3 for the right phrase, 2 for a wrong one, 1 for noticing an acrostic, 0 for nothing,
    TRUNCATED for a reply that was cut before its answer.
    """
    from mlxbench.cli.grading import grade_all

    grade_all(**settings)


@probe.command("experts")
@models_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="CSV file to write the routing log to: item, layer, expert, count, share.",
)
@click.option(
    "--discover",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Find the N experts that acrostics use most unlike their shuffled lines, on half of the "
    "held-out poems, and score them on the other half.",
)
@token_budget_option("With --discover: tokens of a reply at most.")
@click.option(
    "--poems",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Only the first N held-out poems.  [default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**30),
    metavar="N",
    default=0,
    show_default=True,
    help="With --discover: of the first reply.",
)
@click.option("--synthetic", is_flag=True, help="Use random weights, to try it out.")
@registry_option
@store_option
@json_option
def experts(**settings: Any) -> None:
    """Log which experts of a mixture read the poems, and test whether some of them matter.

    The log is taken in untimed passes over the held-out poems and their shuffled controls. With
    --discover, the experts found are promoted and banned, beside the model as it is, beside biases
    of zero (which must change nothing), and beside random experts used about as often.
    """
    from mlxbench.cli.experts import log_experts

    log_experts(**settings)
