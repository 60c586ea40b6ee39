"""Which experts read acrostics otherwise than shuffled lines, and whether that matters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench.measure.experts import IDENTITY, UNCHANGED, Discovery
from mlxbench.records import Completed
from mlxbench.report.format import MISSING
from mlxbench.report.probe_tables import share
from mlxbench.report.probes import ProbeResult, paired
from mlxbench.report.terminal import table, text

SHOWN = 10  # experts, where none are asked for
EXPLORED = (
    "These experts were picked for their difference, so the difference itself proves nothing: "
    "--discover N tests on other poems whether they matter."
)

Results = Mapping[str, ProbeResult]


def report(found: Discovery, results: Results) -> Iterator[Table | Text]:
    """The experts found, and how each arm did on the poems they were not found on."""
    yield experts_table(found)
    if not results:
        yield Text(EXPLORED, style="dim")
        return
    yield arms_table(results)
    yield text(_identity_line(results))
    ids = " ".join(result.run.run_id for result in results.values())
    yield Text(f"kept as {ids}", style="dim")


def experts_table(found: Discovery) -> Table:
    """Each expert with its difference, and the random one that it is compared with."""
    made = table(
        *("layer", "expert", "acrostic - shuffled", "random control"),
        right=("layer", "expert", "acrostic - shuffled", "random control"),
    )
    for (layer, expert), control in zip(found.differences, found.random, strict=True):
        difference = found.differences[layer, expert]
        made.add_row(
            str(layer), str(expert), f"{100 * difference:+.2f} points", f"{control[0]}:{control[1]}"
        )
    return made


def arms_table(results: Results) -> Table:
    """Passes of each arm, tested against the model as it is on the same poems."""
    made = table(
        *("arm", "passes", "95 %", "only it", "only as it is", "McNemar p"),
        right=("passes", "95 %", "only it", "only as it is", "McNemar p"),
    )
    base = results[UNCHANGED]
    for name, result in results.items():
        pairs = paired(base, result) if name != UNCHANGED else None
        made.add_row(
            name,
            f"{result.passes} of {len(result.replies)}",
            share(result.share),
            str(pairs.only_second) if pairs else MISSING,
            str(pairs.only_first) if pairs else MISSING,
            f"{pairs.p:.3g}" if pairs else MISSING,
        )
    return made


def identical(results: Results) -> bool:
    """Whether biases of zero changed no reply: otherwise no arm of these says anything."""
    return _same(results) == len(results[UNCHANGED].replies)


def document(found: Discovery, results: Results) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "found": [
            {"layer": layer, "expert": expert, "difference": difference}
            for (layer, expert), difference in found.differences.items()
        ],
        "random": [{"layer": layer, "expert": expert} for layer, expert in found.random],
        "arms": [_arm(name, result, results[UNCHANGED]) for name, result in results.items()],
        "identity": identical(results) if results else None,
    }


def _arm(name: str, result: ProbeResult, base: ProbeResult) -> dict[str, Any]:
    pairs = paired(base, result)
    bounds = result.share
    return {
        "arm": name,
        "samples": len(result.replies),
        "passes": result.passes,
        "wilson": [bounds.low, bounds.high] if bounds else None,
        "only_this": pairs.only_second if pairs else None,
        "only_unchanged": pairs.only_first if pairs else None,
        "mcnemar_p": pairs.p if pairs else None,
        "run_id": result.run.run_id,
    }


def _identity_line(results: Results) -> str:
    whole = len(results[UNCHANGED].replies)
    line = f"biases of zero: {_same(results)} of {whole} replies are the same as without"
    return (
        line if identical(results) else f"{line}: the control failed, so trust none of these arms"
    )


def _same(results: Results) -> int:
    """How many replies of the identity control have the very tokens of the unchanged model."""
    first, second = (_tokens(results[name]) for name in (UNCHANGED, IDENTITY))
    return sum(second.get(place) == tokens for place, tokens in first.items())


def _tokens(result: ProbeResult) -> dict[int, object]:
    return {
        record.sequence: record.trial.tokens
        for record in result.run.trials
        if isinstance(record.trial, Completed)
    }
