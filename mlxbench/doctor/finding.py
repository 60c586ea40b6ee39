"""What was found of one topic, and whether one may measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["problem", "warning", "unknown", "ok"]
STATUSES: tuple[Status, ...] = ("problem", "warning", "unknown", "ok")  # what needs action first


@dataclass(frozen=True, slots=True)
class Finding:
    """One topic: what was seen, and what to do about it.

    A `problem` makes a measurement wrong or impossible. A `warning` makes its figures worth less.
    `unknown` is what this machine does not tell, and never means that all is well. An `ok` finding
    may still carry advice, where something could be had that nobody needs.
    """

    topic: str
    status: Status
    value: str
    advice: str = ""


def blocking(findings: Iterable[Finding], strict: bool = False) -> list[Finding]:
    """The findings that stand against measuring: problems, and with `strict` warnings too."""
    against = ("problem", "warning") if strict else ("problem",)
    return [finding for finding in findings if finding.status in against]
