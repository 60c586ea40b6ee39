"""`mlxbench ab`: one model in process with MLX, and the same one on a server."""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.comparison_options import comparison_options

OWN_OPTIONS = (
    click.option(
        "--model",
        required=True,
        metavar="NAME",
        help="Registry name, directory, or hf:owner/repo[@revision].",
    ),
    click.option(
        "--against",
        type=click.Choice(["ollama", "openai"]),
        default="ollama",
        show_default=True,
        help="The server: Ollama, or one that speaks OpenAI's API.",
    ),
    click.option(
        "--tag",
        metavar="NAME",
        help="What the server calls the model.  [default: the registry's Ollama tag, else NAME]",
    ),
    click.option(
        "--synthetic", is_flag=True, help="In process, use random weights of the model's shape."
    ),
)


@click.command()
@comparison_options(first=OWN_OPTIONS)
def ab(model: str, against: str, tag: str | None, synthetic: bool, **settings: Any) -> None:
    """Compare a model in process with the same model on a server.

    Both get the same prompts of exactly N tokens, which the server's own count must confirm, read
    them whole, and generate as many tokens, greedily; trials alternate. Short for `compare mlx:NAME
    ollama:TAG`. For the very same weights on both sides see `mlxbench models export-gguf`.

    Exit code 0 whatever the verdict, 1 when there is none.
    """
    from mlxbench.cli.comparing import compare_arms

    local = f"mlx:{model}" + (",synthetic=yes" if synthetic else "")
    alone: dict[str, Any] = {"depth": 0, "batch_size": 1, "mode": "pipelined", "varies": ()}
    compare_arms([local, f"{against}:{tag or model}"], **alone, **settings)
