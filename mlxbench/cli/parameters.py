"""Options and value types that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlxbench.cli.reach import SERVERS

Function = TypeVar("Function", bound=Callable[..., Any])
LARGEST_COUNT = 10_000_000


class Real(click.FloatRange):
    """A number in a range; not-a-number, which would pass every comparison, is refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers separated by commas; each value becomes a measurement of its own."""

    name = "list"

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(self._count(part.strip(), param, ctx) for part in str(value).split(","))

    def _count(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        digits = text.isascii() and text.isdigit() and len(text) < 10
        if not digits or not self.minimum <= int(text) <= LARGEST_COUNT:
            allowed = f"whole numbers from {self.minimum} to {LARGEST_COUNT:,}, separated by commas"
            self.fail(f"{text!r} is not allowed here; give {allowed}", param, ctx)
        return int(text)


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas."""

    name = "name,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(","))
        if not all(names):
            self.fail(f"{value!r} holds an empty name", param, ctx)
        return names


def models_option(command: Function, required: bool = True) -> Function:
    """`--model`: what is measured."""
    return click.option(
        "--model",
        "models",
        type=Names(),
        required=required,
        help="Registry name, directory, hf:owner/repo[@revision], or what a server calls it; "
        "several by commas.",
    )(command)


def engine_option(command: Function) -> Function:
    """`--engine`: what runs it."""
    return click.option(
        "--engine",
        type=click.Choice(["mlx", *SERVERS]),
        default="mlx",
        show_default=True,
        help="mlx: in process. ollama, openai: a server, of Ollama's or of OpenAI's API.",
    )(command)


def json_option(command: Function) -> Function:
    """`--json`: one document on stdout, everything else on stderr."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def store_option(command: Function) -> Function:
    """`--db`: where results are kept."""
    return click.option(
        "--db",
        type=click.Path(path_type=Path, dir_okay=True),
        help="Result store to use.  [default: in the user's data directory]",
    )(command)


def registry_option(command: Function) -> Function:
    """`--models-file`: the user's own models."""
    return click.option(
        "--models-file",
        type=click.Path(path_type=Path),
        help="TOML file with models of your own, laid over the built-in ones.  "
        "[default: $MLXBENCH_MODELS]",
    )(command)


def rate_budget_option(command: Function) -> Function:
    """`--budget`: how long the decode rate beside a probe may take."""
    return click.option(
        "--budget",
        type=Real(0, 86_400, min_open=True),
        metavar="SECONDS",
        default=30.0,
        show_default=True,
        help="For the decode rate of each model; loading and replies not counted.",
    )(command)


def samples_option(words: str) -> Callable[[Function], Function]:
    """How often the poem is put to a model, 20 times by default."""
    return click.option(
        "--samples",
        type=click.IntRange(1, 10_000),
        metavar="N",
        default=20,
        show_default=True,
        help=words,
    )


def token_budget_option(words: str) -> Callable[[Function], Function]:
    """How long a reply may get."""
    return click.option(
        "--token-budget",
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        default=16_384,
        show_default=True,
        help=words,
    )


def server_options(command: Function) -> Function:
    """How servers may be reached, and what may be done to them."""
    for option in (
        click.option(
            "--unload",
            is_flag=True,
            help="Let Ollama's other loaded models be set aside, and restored afterwards.",
        ),
        click.option(
            "--allow-remote",
            is_flag=True,
            help="Allow servers on other machines, which then see the prompts.",
        ),
        click.option(
            "--url",
            metavar="ADDRESS",
            help="The server's address.  [default for Ollama: $OLLAMA_HOST, else 127.0.0.1:11434]",
        ),
    ):
        command = option(command)
    return command


def store_path(given: Path | None) -> Path:
    """The store named on the command line, or the user's own."""
    from mlxbench.paths import data_directory

    return given or data_directory() / "results.sqlite"
