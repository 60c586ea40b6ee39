"""What the doctor found, for a terminal of 80 columns: what needs action first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from mlxbench.doctor import STATUSES, Finding, blocking
from mlxbench.report.terminal import table, text

WORDS = {"problem": "PROBLEM", "warning": "warning", "unknown": "unknown", "ok": "ok"}
STYLES = {"problem": "bold red", "warning": "yellow", "unknown": "dim", "ok": "green"}
ARROW = "→ "


def findings_table(findings: Sequence[Finding]) -> Table:
    """A section for each status; the advice stands under what it is about."""
    made = table("", "topic", "found, and what to do")
    made.columns[0].no_wrap = made.columns[1].no_wrap = True
    for status in STATUSES:
        own = [finding for finding in findings if finding.status == status]
        for finding in own:
            mark = Text(WORDS[status], STYLES[status])
            made.add_row(mark, text(finding.topic), _said(finding))
        if own:
            made.add_section()
    return made


def verdict(findings: Sequence[Finding], strict: bool = False) -> str:
    """`not ready: lock, store`, or what to keep in mind."""
    against = blocking(findings, strict)
    if against:
        return f"not ready: {_topics(against)}"
    warnings = [finding for finding in findings if finding.status == "warning"]
    if not warnings:
        return "ready to measure"
    return f"ready to measure, and figures will be worth more without: {_topics(warnings)}"


def _said(finding: Finding) -> Text:
    said = text(finding.value)
    if finding.advice:
        said.append("\n")
        said.append_text(text(ARROW + finding.advice))
    return said


def _topics(findings: Sequence[Finding]) -> str:
    return ", ".join(finding.topic for finding in findings)
