"""Result rows as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple

from mlxbench.report.rows import COLUMNS, ResultRow
from mlxbench.report.safe import cell


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
