"""A model's roofline as a document for scripts and as tables for a terminal of 80 columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench import roofline
from mlxbench.report.format import MISSING, gigabytes, interval, rate
from mlxbench.report.roofline_data import Bandwidth, Fitted, Roofline, Row, share
from mlxbench.report.roofline_points import Point
from mlxbench.report.terminal import table, text

KIB = 1024
OPERATIONS_SHOWN = 6


# ---- for scripts --------------------------------------------------------------------------------


def document(found: Roofline) -> dict[str, Any]:
    """One model as scripts see it; `kernels_per_token` is the count for Metal."""
    model, count = found.model, roofline.parameters(found.model.shape)
    return {
        "model": model.name,
        "sizes_from": model.origin,
        "params_total": count.total,
        "params_active": count.active,
        "bits_per_weight": model.bits_per_weight,
        "weight_bytes": model.weight_bytes,
        "active_bytes": model.active_bytes,
        "kv_bytes_per_token": model.kv_bytes_per_token,
        "kernels_per_token": found.kernels.metal,
        "kernels_per_token_here": found.kernels.here,
        "kernels_by_operation": dict(found.kernels.operations),
        "bandwidth": found.bandwidth.value,
        "bandwidth_source": found.bandwidth.source,
        "bandwidth_low": found.bandwidth.low,
        "bandwidth_high": found.bandwidth.high,
        "ceilings": [
            {"depth": row.context, "bytes_per_token": row.bytes_per_token, "tps": row.ceiling_tps}
            for row in found.rows
            if row.point is None
        ],
        "prediction": _prediction(found),
        "measured": [_measured(row, row.point) for row in found.rows if row.point],
        "references": [
            {**asdict(one), "ceiling_share": share(found.model.shape, one)}
            for one in found.references
        ],
    }


def _prediction(found: Roofline) -> dict[str, Any] | None:
    """The fitted constants and what they predict; null where nothing determines them."""
    known, errors = found.fitted, found.fitted.known_errors
    if known.model is None:
        return None
    return {
        "bandwidth": known.model.bandwidth,
        "kernel_s": known.model.kernel_s,
        "n": known.model.points,
        "models": sorted({point.model for point in known.points}),
        "run_ids": [point.run_id for point in known.points],
        "left_out_errors": list(known.errors),
        "median_left_out_error": statistics.median(errors) if errors else None,
        "depths": [
            {"depth": row.context, "tps": row.predicted_tps}
            for row in found.rows
            if row.point is None
        ],
    }


def _measured(row: Row, point: Point) -> dict[str, Any]:
    return {
        "run_id": point.run_id,
        "test": point.test,
        "context": row.context,
        "tps": point.tps.value,
        "low": point.tps.low,
        "high": point.tps.high,
        "n": point.tps.n,
        "ceiling_tps": row.ceiling_tps,
        "predicted_tps": row.predicted_tps,
        "error": row.error,
    }


# ---- for people ---------------------------------------------------------------------------------


def report(found: Roofline) -> Iterator[Table | Text]:
    """One model: its sizes, then its ceilings over the context, then what others published."""
    facts = table("", "")
    facts.show_header = False
    for name, value in _facts(found):
        facts.add_row(name, text(value))
    yield facts
    yield Text()
    yield _context_table(found.rows)
    yield Text("tok/s at batch 1; here: measured, and error: predicted against that", style="dim")
    if found.references:
        yield Text("\npublished")
        yield _reference_table(found)
        yield Text(
            "ceiling: the stated bandwidth over what that format reads, depth 0", style="dim"
        )
        for source in dict.fromkeys(one.source for one in found.references):
            line = text(source)
            line.stylize("dim")
            yield line


def fit_lines(known: Fitted, advice: str) -> Iterator[str]:
    """What the prediction rests on, or what to measure so that there is one."""
    if known.model is None:
        have = f"what is stored of this machine (n = {len(known.points)}) does not determine one"
        why = have if known.points else "no decode rate of this machine is stored"
        yield f"no prediction: {why}; {advice}"
        return
    models = {(point.shape, point.active_bytes) for point in known.points}
    constants = f"{_bandwidth(known.model.bandwidth)} and {known.model.kernel_s * 1e6:.3g} µs"
    yield (
        f"predicted, for this machine: bytes at {constants} per kernel, fitted to "
        f"{known.model.points} runs of {len(models)} model{'s' if len(models) > 1 else ''}"
    )
    if errors := known.known_errors:
        median, worst = statistics.median(errors), max(errors)
        yield (
            f"each left out and predicted from the others: off by {_percent(median)} in the "
            f"median, {_percent(worst)} at worst (n = {len(errors)})"
        )
    if len(models) == 1:
        yield f"fitted to one model's depths, so it says little of other models; {advice}"


def _facts(found: Roofline) -> Iterator[tuple[str, str]]:
    model, kernels = found.model, found.kernels
    count = roofline.parameters(model.shape)
    yield "model", f"{model.name} (sizes from {model.origin})"
    active = _count(count.active)
    yield "parameters", f"{_count(count.total)}, {active} active"
    weights = f"{gigabytes(model.weight_bytes)}, {model.bits_per_weight:.2f} bits per weight"
    yield "weights", weights
    kept = f"{model.kv_bytes_per_token / KIB:.0f} KiB of KV cache per token of context"
    yield "read per token", f"{gigabytes(model.active_bytes)}, and {kept}"
    device = {"cpu": "operations on the CPU here", "cuda": "on CUDA here"}.get(found.backend or "")
    here = f", {kernels.here} {device}" if device else ""
    yield "kernels per token", f"{kernels.metal} on Metal{here}"
    most = list(kernels.operations.items())[:OPERATIONS_SHOWN]
    rest = kernels.metal - sum(number for _, number in most)
    yield "", ", ".join([*(f"{number}×{name}" for name, number in most), f"{rest} others"])
    yield "bandwidth", _bandwidth_words(found.bandwidth)


def _bandwidth_words(found: Bandwidth) -> str:
    if found.low is None or found.high is None:
        return f"{_bandwidth(found.value)}, {found.source}"
    spread = f"{found.low / 1e9:.4g}–{found.high / 1e9:.4g}"
    return f"{_bandwidth(found.value)}, {found.source} ({spread} in {found.passes} passes)"


def _bandwidth(value: float) -> str:
    return f"{value / 1e9:.4g} GB/s"


def _context_table(shown: Sequence[Row]) -> Table:
    names = ("context", "read", "ceiling", "predicted", "here", "95 % interval", "n", "error")
    made = table(*names, right=names)
    for row in shown:
        point, error = row.point, row.error
        made.add_row(
            f"{row.context:,.0f}",
            gigabytes(round(row.bytes_per_token)),
            rate(row.ceiling_tps),
            rate(row.predicted_tps),
            rate(point.tps.value if point else None),
            interval(point.tps.low, point.tps.high) if point else MISSING,
            str(point.tps.n) if point else MISSING,
            MISSING if error is None else f"{100 * error:+.1f} %",
        )
    return made


def _reference_table(found: Roofline) -> Table:
    columns = ("tok/s", "of its ceiling", "engine", "machine", "workload")
    made = table(*columns, right=columns[:2])
    for one in found.references:
        part = share(found.model.shape, one)
        shown = MISSING if part is None else f"{100 * part:.1f} %"
        others = (one.engine, one.machine, one.workload)
        made.add_row(rate(one.decode_tps), shown, *map(text, others))
    return made


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.2g} %"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.4g} B" if parameters >= 1e8 else f"{parameters / 1e6:.4g} M"
