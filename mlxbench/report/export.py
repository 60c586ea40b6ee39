"""Result rows as CSV, JSON lines or Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple

from mlxbench.report.format import MISSING, interval, rate
from mlxbench.report.rows import COLUMNS, ResultRow
from mlxbench.report.safe import cell, one_line

MACHINE_COLUMNS = ("machine", "mlx", "mlx-lm", "run")


def to_csv(rows: Sequence[ResultRow]) -> str:
    """A header and a line per row; text that a spreadsheet would run is neutralised."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([cell(value) for value in astuple(row)] for row in rows)
    return out.getvalue()


def to_jsonl(rows: Sequence[ResultRow]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)


def to_markdown(rows: Sequence[ResultRow]) -> str:
    """A table for a README or a post: every rate with its interval and n."""
    header = ("model", "test", "tok/s", "95 % interval", "n", "probe", *MACHINE_COLUMNS)
    dashes = ("---", "---", "--:", "--:", "--:", "---", *("---" for _ in MACHINE_COLUMNS))
    lines: list[tuple[str, ...]] = [header, dashes]
    lines += [_markdown_cells(row) for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _markdown_cells(row: ResultRow) -> tuple[str, ...]:
    name = "prefill_tps" if row.decode_tps is None else "decode_tps"
    value, low, high = (getattr(row, name + end) for end in ("", "_low", "_high"))
    model = row.model + (" (synthetic)" if row.synthetic else "")
    model += "" if row.status == "done" else f" ({row.status})"
    cells = (
        *(model, row.test, rate(value), interval(low, high), str(row.n), probe_cell(row)),
        *(row.accelerator or row.cpu or "", row.mlx or "", row.mlx_lm or "", row.run_id),
    )
    return tuple(one_line(text).replace("|", "\\|") for text in cells)


def probe_cell(row: ResultRow) -> str:
    """`FAIL 0/20 (0–16 %)`: the verdict never stands without its number."""
    if row.probe_verdict is None or row.probe_low is None or row.probe_high is None:
        return MISSING
    bounds = f"{100 * row.probe_low:.0f}–{100 * row.probe_high:.0f} %"
    return f"{row.probe_verdict} {row.probe_passes}/{row.probe_replies} ({bounds})"


FORMATS: dict[str, Callable[[Sequence[ResultRow]], str]] = {
    "csv": to_csv,
    "jsonl": to_jsonl,
    "md": to_markdown,
}
