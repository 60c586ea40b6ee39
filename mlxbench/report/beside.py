"""`fairness` as people and scripts read it: under a comparison with a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench.report.fairness import Agreement, Fairness, Side
from mlxbench.report.format import MISSING, gigabytes, rate
from mlxbench.report.terminal import table, text


def document(found: Fairness) -> dict[str, Any]:
    """Under `sides`, one object for each arm; under `greedy_agreement`, one for each arm after."""
    return {
        "sides": [
            {**asdict(side), "bytes_per_s": side.bytes_per_s, "bandwidth_share": side.share}
            for side in found.sides
        ],
        "greedy_agreement": [asdict(one) for one in found.agreements],
    }


def report(found: Fairness, names: Sequence[str]) -> Iterator[Table | Text]:
    """How each side counts, what it reads, and whether both said the same."""
    yield Text("")
    yield _table(found.sides, names)
    for side in found.sides:
        if side.native_tps is not None and side.native_rule:
            yield text(f"{names[side.arm]}, native: {side.native_rule}{_theory(side)}")
    for one in found.agreements:
        yield text(_sentence(one, names))
        if one.example:
            before, ours, theirs = map(repr, one.example)
            yield text(f"  after {before}: {names[0]} goes on {ours}, {names[one.arm]} {theirs}")


def _table(sides: Sequence[Side], names: Sequence[str]) -> Table:
    numbers = ("native", "ratio", "bits/w", "per token", "GB/s", "of peak")
    made = table("", "weights", *numbers, right=numbers)
    for side in sides:
        native, common = side.native_tps, side.common_tps
        ratio = native.value / common.value if native and common else None
        made.add_row(
            names[side.arm],
            text(side.format or MISSING),
            rate(native.value if native else None),
            MISSING if ratio is None else f"{ratio:.3f}",
            MISSING if side.bits_per_weight is None else f"{side.bits_per_weight:.2f}",
            gigabytes(None if side.bytes_per_token is None else round(side.bytes_per_token)),
            MISSING if side.bytes_per_s is None else f"{side.bytes_per_s / 1e9:.1f}",
            MISSING if side.share is None else f"{side.share:.0%}",
        )
    return made


def _theory(side: Side) -> str:
    """By how much that rule alone exceeds the common one."""
    return f": {side.theory:.3f} times the common rate at this length" if side.theory else ""


def _sentence(one: Agreement, names: Sequence[str]) -> str:
    other = names[one.arm]
    if one.identical == one.pairs:
        return f"greedy replies of {names[0]} and {other} are the same in all {one.pairs} pairs"
    return (
        f"greedy replies of {names[0]} and {other} are the same in {one.identical} of {one.pairs} "
        f"pairs; half agree for {one.median_share:.0%} of their length or more"
    )
