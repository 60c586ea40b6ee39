"""`doctor --self-test` and `doctor --read`: verify this machine, or show what another one said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mlxbench import lock, selftest
from mlxbench.cli.display import live_line, stderr
from mlxbench.cli.interrupt import prompt_exit
from mlxbench.cli.output import console, print_json
from mlxbench.errors import EXIT_FAILED
from mlxbench.report import selftest as report
from mlxbench.report.format import duration
from mlxbench.selftest import FULL, Progress, Scale, SelfTest


def run_self_test(output: Path | None, as_json: bool, scale: Scale = FULL) -> None:
    """Do all of it, watched on stderr, into a file; exit code 1 when a check failed.

    The file is there before anything is measured, and whole after each step.
    """
    with lock.accelerator_lock():
        path = output or selftest.default_path()
        selftest.reserve(path)
        kept = Kept(path)
        with prompt_exit(kept.interrupt), live_line() as show:
            found = selftest.run(scale, lambda step: show(step_line(step), True), kept.keep)
    _show(found, as_json, report.brief)
    stderr.print(
        f"kept in {path}: attach it to a report; it names no person and no machine. "
        f"`mlxbench doctor --read {path}` shows every check"
    )
    if found.failed:
        raise SystemExit(EXIT_FAILED)


def read_self_test(path: Path, as_json: bool) -> None:
    """Show a file that somebody's self-test wrote."""
    _show(selftest.read(path), as_json, report.report)


def step_line(step: Progress) -> str:
    """`step 3 of 15: environment (12 s so far) …`"""
    return f"step {step.number} of {step.total}: {step.title} ({duration(step.elapsed_s)} so far) …"


class Kept:
    """The file and what is in it, for the thread that ends a process stuck inside the device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: SelfTest | None = None

    def keep(self, found: SelfTest) -> None:
        """Write the document so far."""
        self._found = found
        selftest.write(self._path, found)

    def interrupt(self) -> None:
        """Say in the file that it is not complete."""
        if self._found is not None and self._found.status == "running":
            selftest.write(self._path, replace(self._found, status="interrupted"))


def _show(
    found: SelfTest, as_json: bool, parts: Callable[[SelfTest], Iterator[Table | Text]]
) -> None:
    if as_json:
        print_json(selftest.document(found))
        return
    for part in parts(found):
        console().print(part)
