"""`mlxbench claims`: what the lab note's post-mortem claims, tested on this machine."""

from __future__ import annotations

from typing import Any

import click

from mlxbench.cli.parameters import (
    Counts,
    Real,
    json_option,
    models_option,
    registry_option,
    samples_option,
    store_option,
    token_budget_option,
)


@click.group()
def claims() -> None:
    """Test the lab note's own explanations on this machine, claim by claim."""


@claims.command("list")
@json_option
def list_claims(as_json: bool) -> None:
    """List the claims and their experiments."""
    from mlxbench.claims import CLAIMS
    from mlxbench.cli.output import console, print_json
    from mlxbench.report.claims import list_report, listed

    if as_json:
        print_json({"claims": [listed(claim) for claim in CLAIMS]})
        return
    for part in list_report(CLAIMS):
        console().print(part)


@claims.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@models_option
@click.option("--synthetic", is_flag=True, help="Use random weights of the models' exact shapes.")
@click.option(
    "--budget",
    type=Real(0, 86_400, min_open=True),
    metavar="SECONDS",
    help="Measuring time of each comparison.  [default: 6 where only a CPU computes, else 30]",
)
@click.option(
    *("-d", "--depth", "depths"),
    type=Counts(0),
    help="Depths at which attention is tested; several by commas.  [default: by the machine]",
)
@click.option(
    *("-p", "--prompt-tokens", "prompts"),
    type=Counts(64),
    help="Prompts on which prefill steps are tested; several by commas.  [default: by the machine]",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Also put the poem to the models, where a claim is about answers.",
)
@samples_option("With --probe, replies of each arm.")
@token_budget_option("With --probe, tokens of a reply at most.")
@registry_option
@store_option
@json_option
def run(**settings: Any) -> None:
    """Test claims, all or those named, in the note's own table.

    The claims are about the first model. Others stand beside it where a claim has a place for
    them: a dense one, builds of the same shape in other precisions, models to predict it from.
    Every experiment is one or more ordinary comparisons, and kept as such.

    Two of them need builds that nobody publishes: precision writes random weights of the first
    model's shape at five precisions, bytes-model slices of it where fewer than three models are
    named; of as many layers as 3 GB hold each. What will be written, and where, is said first.

    Exit code 1 only when an experiment could not be measured, whatever the verdicts.
    """
    from mlxbench.cli.claims_run import run_claims

    run_claims(**settings)
