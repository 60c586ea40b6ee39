"""A self-test for a terminal of 80 columns: the machine, what failed, then the checks by topic.

What is shown may come from a file of anybody's, so every text of it is foreign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxbench.records import Environment
from mlxbench.report.format import MISSING, duration, memory
from mlxbench.report.terminal import machine_parts, table, text

WORDS = {True: "ok", False: "FAILED", None: "noted"}
STYLES = {True: "green", False: "bold red", None: "dim"}
EXPLAINED = (
    "noted: without a verdict, for nothing has to hold there, there is none here, or it was too "
    "noisy to tell; --json has the sentences and figures of all checks."
)
WIDEST_NAME = 28  # wider ones fold
INDENT = 2


class Checked(Protocol):
    """What is shown of a check: `mlxbench.selftest.checked.Checked` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def passed(self) -> bool | None: ...
    @property
    def value(self) -> str: ...
    @property
    def expected(self) -> str: ...
    @property
    def sentence(self) -> str: ...


class Step(Protocol):
    """A step that was done."""

    @property
    def title(self) -> str: ...
    @property
    def seconds(self) -> float: ...


class SelfTest(Protocol):
    """What is shown of a self-test: `mlxbench.selftest.checked.SelfTest` is one."""

    @property
    def created_utc(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def environment(self) -> Environment: ...
    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def checks(self) -> Sequence[Checked]: ...


def brief(found: SelfTest) -> Iterator[Table | Text]:
    """What came of it: the failed checks, and how many there are of each kind."""
    yield from _head(found)
    if found.checks:
        yield topics_table(found.checks)


def report(found: SelfTest) -> Iterator[Table | Text]:
    """Every check, what failed first."""
    yield from _head(found)
    if found.checks:
        yield checks_table(found.checks)
        explained = text(EXPLAINED)
        explained.stylize("dim")
        yield explained


def _head(found: SelfTest) -> Iterator[Text]:
    yield text(machine(found.environment))
    yield text(outcome(found))
    for one in found.checks:
        if one.passed is False:
            line = text(failure(one))
            line.stylize("bold red", 0, len(WORDS[False]))
            yield line


def machine(environment: Environment) -> str:
    """What the self-test ran on, in one line."""
    cores = environment.accelerator_cores
    parts = [
        *machine_parts(environment),
        f"{cores} GPU cores" if cores is not None else None,
        f"memory {memory(environment.memory_bytes)}" if environment.memory_bytes else None,
        " ".join(part for part in (environment.os, environment.os_version) if part),
        f"mlxbench {environment.versions.get('mlxbench', 'of unknown version')}",
    ]
    return " · ".join(part for part in parts if part)


def outcome(found: SelfTest) -> str:
    """How far it came, and what it came to."""
    passed = sum(one.passed is True for one in found.checks)
    failed = sum(one.passed is False for one in found.checks)
    untold = len(found.checks) - passed - failed
    took = duration(sum(step.seconds for step in found.steps))
    whole = "" if found.status == "done" else f" ({found.status}: not all steps were done)"
    scale = "" if found.scale == "full" else f", {found.scale}"
    return (
        f"self-test of {found.created_utc}{scale}{whole}: {passed} passed, {failed} failed, "
        f"{untold} without a verdict, {took}"
    )


def failure(one: Checked) -> str:
    """A failed check in one line."""
    due = f", expected {one.expected}" if one.expected else ""
    return f"{WORDS[False]} {one.topic}, {one.name}: {one.value}{due}; {one.sentence}"


def topics_table(checks: Sequence[Checked]) -> Table:
    """A row for each topic: how many checks passed, failed, and had no verdict."""
    kinds = {True: "passed", False: "failed", None: "no verdict"}
    made = table("checked", *kinds.values(), right=kinds.values())
    for topic in dict.fromkeys(one.topic for one in checks):
        own = [one.passed for one in checks if one.topic == topic]
        made.add_row(text(topic), *(str(own.count(kind) or MISSING) for kind in kinds))
    return made


def checks_table(checks: Sequence[Checked]) -> Table:
    """A section for each topic, its failed checks first."""
    made = table("check", "", "found", "expected")
    made.columns[1].no_wrap = True
    widths = [max(cell_len(one.topic), INDENT + cell_len(one.name)) for one in checks]
    made.columns[0].width = min(WIDEST_NAME, max(widths))
    for topic in dict.fromkeys(one.topic for one in checks):
        heading = text(topic)
        heading.stylize("bold")
        made.add_row(heading)
        own = [one for one in checks if one.topic == topic]
        for one in sorted(own, key=lambda one: one.passed is not False):
            mark = Text(WORDS[one.passed], STYLES[one.passed])
            name = Padding(text(one.name), (0, 0, 0, INDENT))
            made.add_row(name, mark, text(one.value), text(one.expected))
        made.add_section()
    return made
