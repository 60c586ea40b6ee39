"""`mlxbench compare`: is one arm faster than another, and how sure is that?"""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.parameters import Real, json_option, registry_option, store_option

VARIABLE = ("prompt_tokens", "generation_tokens", "depth", "batch_size", "mode")


@click.command()
@click.argument("arms", nargs=-1, required=True, metavar="ARM ARM [ARM]…")
@click.option(
    "--metric",
    type=click.Choice(["decode", "median-gap", "prefill", "ttft"]),
    default="decode",
    show_default=True,
    help="decode: mean time per token. median-gap: median time between tokens. prefill and ttft: "
    "time to the first token.",
)
@click.option(
    *("-p", "--prompt-tokens"),
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    default=512,
    show_default=True,
    help="Prompt length of every arm.",
)
@click.option(
    *("-g", "--generation-tokens"),
    type=click.IntRange(2, 10_000_000),
    metavar="N",
    default=128,
    show_default=True,
    help="Tokens that every arm generates in a trial.",
)
@click.option(
    *("-d", "--depth"),
    type=click.IntRange(0, 10_000_000),
    metavar="N",
    default=0,
    show_default=True,
    help="Tokens in the KV cache before the prompt.",
)
@click.option(
    *("-b", "--batch-size"),
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=1,
    show_default=True,
    help="Sequences processed together.",
)
@click.option(
    "--mode",
    type=click.Choice(["pipelined", "stepped"]),
    default="pipelined",
    show_default=True,
    help="How every arm decodes.",
)
@click.option(
    "--budget",
    type=Real(0, 86_400, min_open=True),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Measuring time of all sessions; loading and warm-up come on top.",
)
@click.option(
    "--pairs",
    type=click.IntRange(4, 100_000),
    metavar="N",
    help="Plan exactly this many pairs per session.  [default: what the budget allows]",
)
@click.option(
    "--sessions",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=1,
    show_default=True,
    help="Repeat loading and trials in so many fresh processes.",
)
@click.option("--null", is_flag=True, help="Also run the first arm against itself.")
@click.option(
    "--varies",
    type=click.Choice(VARIABLE),
    multiple=True,
    help="What the arms' tasks may differ in; anything else is refused.",
)
@click.option("--strict", is_flag=True, help="Refuse to measure on a machine that is not fit.")
@click.option(
    "--plan", is_flag=True, help="Run a short pilot and tell how long a real comparison takes."
)
@click.option("--stored", is_flag=True, help="Compare two runs that are stored already, by id.")
@click.option("--force", is_flag=True, help="With --stored: across machines and versions too.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    metavar="N",
    default=0,
    show_default=True,
    help="Of the order of trials and of the prompts.",
)
@registry_option
@store_option
@json_option
def compare(arms: tuple[str, ...], stored: bool, force: bool, **settings: Any) -> None:
    """Compare two or more arms with the first of them.

    An ARM is ENGINE:MODEL[,key=value…], such as mlx:qwen3-4b,kv_bits=8. Keys: prompt_tokens,
    generation_tokens, depth, batch_size, mode, kv_bits, prefill_step_size; for mlx also python (an
    interpreter with another mlx), synthetic=yes and layers; sim has keys of its own.

    Trials alternate in a seeded order, so that whatever the machine does hits all arms alike. Exit
    code 0 whatever the verdict, 1 when there is none.
    """
    if stored:
        from mlxbench.cli.stored import compare_stored

        compare_stored(arms, settings["metric"], force, settings["db"], settings["as_json"])
        return
    if force:
        raise click.UsageError("--force goes with --stored", click.get_current_context())
    if len(arms) < 2:
        raise click.UsageError("a comparison needs two arms or more", click.get_current_context())
    from mlxbench.cli.comparing import compare_arms

    compare_arms(arms, **settings)
