"""One check, and the document of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlxbench.records import Environment

# History of the document; `files` refuses newer ones.
#   1  2026-11: first
FORMAT = 1

Status = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, what came out, and what should have.

    `passed` is None where nothing must hold, or nothing could be told. `sentence` says what this
    means. `figures` are the numbers behind it, in SI units.
    """

    topic: str
    name: str
    passed: bool | None
    value: str
    expected: str
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was done, and how long it took."""

    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Everything that a self-test found: the content of its file."""

    created_utc: str
    status: Status
    scale: str
    environment: Environment
    steps: tuple[Step, ...] = ()
    checks: tuple[Checked, ...] = ()
    format: int = FORMAT

    @property
    def failed(self) -> tuple[Checked, ...]:
        """The checks that failed."""
        return tuple(one for one in self.checks if one.passed is False)
