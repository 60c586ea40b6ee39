"""Kernel experiments for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from mlxbench.report.format import MISSING
from mlxbench.report.terminal import table, text


class Checked(Protocol):
    """One output of one case in one type."""

    @property
    def kernel(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def case(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def output(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def max_error(self) -> float | None: ...
    @property
    def tolerance(self) -> float | None: ...
    @property
    def finding(self) -> str | None: ...


def list_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each experiment; one without kernels is a trick in plain MLX."""
    made = table("experiment", "launches", "predicted", "what it is", right=("launches",))
    for one in found:
        stock, ours = one["launches"]
        low, high = one["predicted_ratio"]
        made.add_row(
            text(one["name"]),
            f"{stock} → {ours}",
            f"×{low:g}–{high:g}",
            text(one["summary"]),
        )
    return made


def check_report(checks: Sequence[Checked]) -> Iterator[Table | Text]:
    """A line for each experiment and type, then every failure, then what verified them."""
    made = table("experiment", "type", "passed", "largest error", "of the limit", right=("passed",))
    groups = dict.fromkeys((one.kernel, one.dtype) for one in checks)
    for kernel, dtype in groups:
        own = [one for one in checks if (one.kernel, one.dtype) == (kernel, dtype)]
        good = sum(one.passed for one in own)
        made.add_row(text(kernel), dtype, f"{good} of {len(own)}", *_worst(own))
    yield made
    for one in checks:
        if not one.passed:
            where = f"{one.kernel}, {one.case}, {one.dtype}, {one.output}"
            yield text(f"failed: {where}: {one.finding}")
    yield Text("verified by " + ", ".join(dict.fromkeys(one.backend for one in checks)), "dim")


def _worst(checks: Sequence[Checked]) -> tuple[str, str]:
    """The largest error, and the largest share of its limit that an error reached."""
    errors = [one for one in checks if one.max_error is not None]
    if not errors:
        return "exact", MISSING
    shares = [one.max_error / one.tolerance for one in errors if one.tolerance and one.max_error]
    largest = max(one.max_error or 0.0 for one in errors)
    return f"{largest:.2g}", f"{max(shares):.0%}" if shares else MISSING
