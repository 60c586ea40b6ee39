"""A model's roofline as a document for scripts and as tables for a terminal of 80 columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench import roofline
from mlxbench.report.format import MISSING, counted, gigabytes, rate
from mlxbench.report.roofline_data import Bandwidth, Fitted, Roofline, Row, share
from mlxbench.report.roofline_points import Point
from mlxbench.report.terminal import table, text

KIB = 1024
OPERATIONS_SHOWN = 6
CONTEXT_COLUMNS = (
    *("context", "read", "ceiling", "predicted\nhere", "measured\nhere", "95 % interval"),
    *("n", "error"),
)
CONTEXT_LEGEND = (
    "tok/s at batch 1. ceiling: bandwidth over what is read; here: on this machine, whatever "
    "bandwidth is given; error: predicted against measured"
)


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
        "fitted_bytes_per_token": known.read,
        "left_out_errors": list(known.errors),
        "median_left_out_error": statistics.median(errors) if errors else None,
        "depths": [
            {
                "depth": row.context,
                "tps": row.predicted_tps,
                "far_outside": row in found.far_outside,
            }
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
    yield Text(CONTEXT_LEGEND, style="dim")
    if far := _far_line(found):
        yield text(far)
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
    models = len({(point.shape, point.active_bytes) for point in known.points})
    constants = f"{_bandwidth(known.model.bandwidth)} and {known.model.kernel_s * 1e6:.3g} µs"
    yield (
        f"predicted, for this machine: bytes at {constants} per kernel, fitted to "
        f"{known.model.points} runs of {counted(models, 'model')}"
    )
    if not known.can_err:
        yield f"two runs determine both constants, so no error can be known; {advice}"
    if errors := known.known_errors:
        median, worst = statistics.median(errors), max(errors)
        yield (
            f"each left out and predicted from the others: off by {_percent(median)} in the "
            f"median, {_percent(worst)} at worst (n = {len(errors)})"
        )
    if models == 1:
        yield f"fitted to one model's depths, so it says little of other models; {advice}"


def _far_line(found: Roofline) -> str | None:
    """That a prediction is none to rely on, where the model reads far more or less than others."""
    far, read = [row.bytes_per_token for row in found.far_outside], found.fitted.read
    if not far or read is None:
        return None
    return (
        f"predicted at {_megabytes(min(far), max(far))} per token, far outside what was fitted "
        f"({_megabytes(*read)} per token)"
    )


def _megabytes(low: float, high: float) -> str:
    """`2.2–21.3 MB`, in one unit, for ranges that are held against each other."""
    ends = [f"{end / 1e6:,.0f}" if end >= 1e8 else f"{end / 1e6:.1f}" for end in (low, high)]
    return f"{'–'.join(dict.fromkeys(ends))} MB"


def _facts(found: Roofline) -> Iterator[tuple[str, str]]:
    model, kernels = found.model, found.kernels
    count = roofline.parameters(model.shape)
    yield "model", f"{model.name} (sizes from {model.origin})"
    active = _count(count.active)
    yield "parameters", f"{_count(count.total)}, {active} active"
    weights = f"{gigabytes(model.weight_bytes)}, {model.bits_per_weight:.2f} bits per weight"
    yield "weights", weights
    kept = f"{model.kv_bytes_per_token / KIB:,.0f} KiB of KV cache per token of context"
    yield "read per token", f"{gigabytes(model.active_bytes)}, and {kept}"
    device = {"cpu": "operations on the CPU here", "cuda": "on CUDA here"}.get(found.backend or "")
    here = f", {kernels.here:,} {device}" if device else ""
    yield "kernels per token", f"{kernels.metal:,} on Metal{here}"
    most = list(kernels.operations.items())[:OPERATIONS_SHOWN]
    rest = kernels.metal - sum(number for _, number in most)
    yield "", ", ".join([*(f"{number:,}×{name}" for name, number in most), f"{rest:,} others"])
    yield "bandwidth", _bandwidth_words(found.bandwidth)


def _bandwidth_words(found: Bandwidth) -> str:
    if found.low is None or found.high is None:
        return f"{_bandwidth(found.value)}, {found.source}"
    spread = f"{found.low / 1e9:.4g}–{found.high / 1e9:.4g}"
    return f"{_bandwidth(found.value)}, {found.source} ({spread} in {found.passes} passes)"


def _bandwidth(value: float) -> str:
    return f"{value / 1e9:.4g} GB/s"


def _context_table(shown: Sequence[Row]) -> Table:
    made = table(*CONTEXT_COLUMNS, right=CONTEXT_COLUMNS)
    made.padding = (0, 1, 0, 0)  # so that a million tokens and five digits fit into 80 columns
    for column in made.columns:
        column.vertical = "bottom"  # where a heading has two lines
    for row in shown:
        point, error = row.point, row.error
        made.add_row(
            f"{row.context:,.0f}",
            gigabytes(round(row.bytes_per_token)),
            _rate(row.ceiling_tps),
            _rate(row.predicted_tps),
            _rate(point.tps.value if point else None),
            _interval(point) if point else MISSING,
            str(point.tps.n) if point else MISSING,
            MISSING if error is None else f"{round(100 * error, 1) + 0.0:+.1f} %",  # no -0.0
        )
    return made


def _reference_table(found: Roofline) -> Table:
    columns = ("tok/s", "of its ceiling", "engine", "machine", "workload")
    made = table(*columns, right=columns[:2])
    for one in found.references:
        part = share(found.model.shape, one)
        shown = MISSING if part is None else f"{100 * part:.1f} %"
        others = (one.engine, one.machine, one.workload)
        made.add_row(_rate(one.decode_tps), shown, *map(text, others))
    return made


def _rate(value: float | None) -> str:
    """As everywhere, but in thousands like the contexts beside it: a ceiling may be a large one."""
    return rate(value) if value is None or value < 1000 else f"{value:,.0f}"


def _interval(point: Point) -> str:
    low, high = point.tps.low, point.tps.high
    return MISSING if low is None else f"{_rate(low)}–{'∞' if high is None else _rate(high)}"


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.2g} %"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.4g} B" if parameters >= 1e8 else f"{parameters / 1e6:.4g} M"
