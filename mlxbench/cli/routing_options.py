"""Options that change which experts a mixture's routers choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from mlxbench.cli.parameters import Counts
from mlxbench.records import BAN, PIN, ExpertBias, Routing

Function = TypeVar("Function", bound=Callable[..., Any])
EVERY_LAYER = "*"


class Experts(click.ParamType[tuple[ExpertBias, ...]]):
    """`LAYER:EXPERT` or `*:EXPERT`, several by commas; with a bias of their own `…=NUMBER`."""

    name = "layer:expert,…"

    def __init__(self, bias: float | None) -> None:
        self.bias = bias

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[ExpertBias, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(self._one(part.strip(), param, ctx) for part in str(value).split(","))

    def _one(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> ExpertBias:
        place, _, bias = text.partition("=")
        layer, _, expert = place.partition(":")
        try:
            return ExpertBias(
                None if layer == EVERY_LAYER else _index(layer), _index(expert), self._bias(bias)
            )
        except ValueError:
            example = "3:17" if self.bias is not None else "3:17=2.5"
            self.fail(f"{text!r} is no expert; write {example}, or * for every layer", param, ctx)

    def _bias(self, text: str) -> float:
        if self.bias is None:
            value = float(text)
            if not abs(value) < abs(BAN):
                raise ValueError
            return value
        if text:
            raise ValueError
        return self.bias


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValueError
    return int(text)


def routing_options(command: Function) -> Function:
    """`--experts`, `--ban`, `--pin`, `--promote`, `--bias-on`."""
    for option in (
        click.option(
            "--bias-on",
            type=click.Choice(["selection", "logits"]),
            default="selection",
            show_default=True,
            help="Whether --ban and --promote leave the weights of the chosen experts alone.",
        ),
        click.option(
            "--promote",
            type=Experts(None),
            metavar="L:E=N,…",
            help="Add N to the router logit of expert E in layer L (* is every layer).",
        ),
        click.option("--pin", type=Experts(PIN), metavar="L:E,…", help="Always use these experts."),
        click.option("--ban", type=Experts(BAN), metavar="L:E,…", help="Never use these experts."),
        click.option(
            "--experts",
            type=Counts(1),
            metavar="N,…",
            help="Experts per token, instead of the model's own; several by commas.",
        ),
    ):
        command = option(command)
    return command


def routings(
    experts: tuple[int, ...] | None,
    ban: tuple[ExpertBias, ...] | None,
    pin: tuple[ExpertBias, ...] | None,
    promote: tuple[ExpertBias, ...] | None,
    bias_on: str,
) -> Iterator[Routing | None]:
    """One routing for each number of experts; `None` where nothing is changed."""
    biases = (*(ban or ()), *(pin or ()), *(promote or ()))
    for top_k in experts or (None,):
        changed = top_k is not None or biases
        yield Routing(top_k, biases, bias_on == "selection") if changed else None
