"""Foreign text is harmless on a terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import fields, replace
from typing import Any

import pytest
from rich.console import Console

from mlxbench.records import Arm, Environment, Notice, Run, RunStatus, Target, Timed
from mlxbench.report import safe
from mlxbench.report.export import to_csv
from mlxbench.report.markdown import rows_table
from mlxbench.report.rows import ResultRow, latest, row
from mlxbench.report.summary import Summary
from mlxbench.report.terminal import decode_table, notice_line, results_table
from mlxbench.stats import Estimate

PIECES = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202e", "\u2066", "\u200b", "\x00", "\r", "\b",
    "[bold]", "[/]", "[link=http://x]", "model", " ", "\n", "é", "名",
]  # fmt: skip


def a_summary(model: str) -> Summary:
    run = Run(
        "20261123-041522-a3f9",
        "2026-11-23T04:15:22Z",
        "mlxbench decode",
        Arm(Target("mlx", model, "d"), Timed("decode")),
        "standard",
        Environment(versions={"mlx": "1"}),
        notices=(Notice("code", model, model),),
    )
    return Summary(run, 3, 0, decode_tps=Estimate(72.1, 71.9, 72.3, 3))


def rendered(*parts: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None, markup=False)
    for part in parts:
        console.print(part)
    return out.getvalue()


def test_no_control_character_of_a_model_name_reaches_the_terminal() -> None:
    source = random.Random(7)
    for _ in range(1000):
        name = "".join(source.choice(PIECES) for _ in range(source.randrange(1, 12)))
        summary = a_summary(name)
        shown = rendered(
            decode_table([summary]), results_table([summary]), notice_line(summary.run.notices[0])
        )
        assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\x00", "\x07", "\b"} & set(shown)


def test_markup_in_a_model_name_is_shown_as_it_is() -> None:
    assert "[bold]x[/]" in rendered(decode_table([a_summary("[bold]x[/]")]))


STARTS = ["=", "+", "-", "@", "\t", "\r"]


@pytest.mark.parametrize("start", STARTS)
def test_a_spreadsheet_formula_is_neutralised(start: str) -> None:
    for payload in ("1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x")', "\n=2", "x"):
        text = to_csv([row(a_summary(start + payload))])
        (found,) = csv.DictReader(io.StringIO(text, newline=""))
        assert found["model"] == "'" + (start + payload).replace("\r", " ").replace("\n", " ")
        assert found["decode_tps"] == "72.1"


def test_a_run_broken_off_later_does_not_replace_a_complete_one() -> None:
    done = row(replace_status(a_summary("m"), "done", "1"))
    aborted = row(replace_status(a_summary("m"), "aborted", "2"))
    assert latest([aborted, done]) == [done]
    assert latest([aborted]) == [aborted]
    assert "m (aborted)" in rows_table([aborted])


def replace_status(summary: Summary, status: RunStatus, run_id: str) -> Summary:
    return replace(summary, run=replace(summary.run, status=status, run_id=run_id))


def test_numbers_keep_their_sign() -> None:
    assert safe.cell(-1.5) == "-1.5"


def test_a_markdown_row_stays_one_row_with_its_columns() -> None:
    table = rows_table([row(a_summary("a|b\nc"))]).splitlines()
    assert len(table) == 3
    assert "a\\|b c" in table[2]


def test_every_rate_of_an_export_has_its_interval_and_n_and_conditions() -> None:
    names = {field.name for field in fields(ResultRow)}
    for name in ("decode_tps", "prefill_tps", "ttft_s"):
        assert {f"{name}_low", f"{name}_high", "n"} <= names
    assert {"mlx", "mlx_lm", "machine", "accelerator", "mode", "revision"} <= names


def test_the_exact_csv_of_one_run() -> None:
    summary = replace(a_summary("m"), peak_memory_bytes=1000, native_decode_tps=72.7)
    found = dict(zip(*csv.reader(io.StringIO(to_csv([row(summary)]))), strict=True))
    filled = {name: value for name, value in found.items() if value}
    assert filled == {
        "run_id": "20261123-041522-a3f9",
        "created_utc": "2026-11-23T04:15:22Z",
        "status": "running",
        "model": "m",
        "engine": "mlx",
        "synthetic": "False",
        "workload": "standard",
        "test": "tg128",
        "prompt_tokens": "512",
        "generation_tokens": "128",
        "depth": "0",
        "batch_size": "1",
        "mode": "pipelined",
        "temperature": "0.0",
        "top_p": "1.0",
        "top_k": "0",
        "prefill_step_size": "2048",
        "n": "3",
        "failures": "0",
        "decode_tps": "72.1",
        "decode_tps_low": "71.9",
        "decode_tps_high": "72.3",
        "native_decode_tps": "72.7",
        "peak_memory_bytes": "1000",
        "mlx": "1",
        "command": "mlxbench decode",
        "warnings": "code",
    }
