"""`mlxbench compare`: is one arm faster than another, and how sure is that?"""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.comparison_options import comparison_options

VARIABLE = ("prompt_tokens", "generation_tokens", "depth", "batch_size", "mode")

OWN_OPTIONS = (
    click.option(
        *("-d", "--depth"),
        type=click.IntRange(0, 10_000_000),
        metavar="N",
        default=0,
        show_default=True,
        help="Tokens in the KV cache before the prompt.",
    ),
    click.option(
        *("-b", "--batch-size"),
        type=click.IntRange(1, 100_000),
        metavar="N",
        default=1,
        show_default=True,
        help="Sequences processed together.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["pipelined", "stepped"]),
        default="pipelined",
        show_default=True,
        help="How every arm decodes.",
    ),
    click.option(
        "--varies",
        type=click.Choice(VARIABLE),
        multiple=True,
        help="What the arms' tasks may differ in; anything else is refused.",
    ),
    click.option("--stored", is_flag=True, help="Compare two runs that are stored already, by id."),
    click.option("--force", is_flag=True, help="With --stored: across machines and versions too."),
)


@click.command()
@click.argument("arms", nargs=-1, required=True, metavar="ARM ARM [ARM]…")
@comparison_options(*OWN_OPTIONS)
def compare(arms: tuple[str, ...], stored: bool, force: bool, **settings: Any) -> None:
    """Compare two or more arms with the first of them.

    An ARM is ENGINE:MODEL[,key=value…], such as mlx:qwen3-4b,kv_bits=8. Keys: prompt_tokens,
    generation_tokens, depth, batch_size, mode; for mlx also kv_bits, prefill_step_size, python (an
    interpreter with another mlx), synthetic=yes and layers; for ollama and openai (a server that
    speaks OpenAI's API) url and tokenizer; sim has keys of its own.

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
