"""Progress on stderr: what is happening, and how long it may still take.

On a terminal it is one live line; in a log, where a live line would be noise, one plain line for
each model and arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from mlxbench.cli.pass_count import PassCount
from mlxbench.measure import (
    Asking,
    Event,
    Finished,
    Loading,
    Logging,
    ReplyEnded,
    Started,
    TrialEnded,
)
from mlxbench.measure.plan import estimate
from mlxbench.records import Timed
from mlxbench.report.format import duration, gigabytes, memory, rate
from mlxbench.report.safe import one_line

stderr = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
LIVE = stderr.is_terminal


@contextmanager
def transfer(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for bytes done of bytes in total; nothing is shown before the first byte."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        Remaining(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not LIVE) as progress:
        task = progress.add_task(one_line(what), total=None, visible=False)
        announced = False

        def update(done: int, total: int) -> None:
            nonlocal announced
            if not announced and not LIVE:
                stderr.print(f"{one_line(what)} ({gigabytes(total)}) …")
            announced = True
            progress.update(task, completed=done, total=total, visible=True)

        yield update


@contextmanager
def live_line() -> Iterator[Callable[[str, bool], None]]:
    """A line of text that can be replaced; `milestone` lines are also printed into a log."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=stderr, transient=True, disable=not LIVE) as progress:
        task = progress.add_task("")

        def show(line: str, milestone: bool) -> None:
            progress.update(task, description=line)
            if milestone and not LIVE:
                stderr.print(line)

        yield show


@contextmanager
def measuring() -> Iterator[Callable[[Event], None]]:
    """A live line that follows the events of a measurement."""
    count = PassCount()

    def line(event: Event) -> str:
        if isinstance(event, Asking | ReplyEnded):
            return count.line(event)
        return _line(event)

    quiet = TrialEnded | ReplyEnded | Logging | Finished
    with live_line() as show:
        yield lambda event: show(line(event), not isinstance(event, quiet))


def _line(event: Loading | Started | TrialEnded | Logging | Finished) -> str:
    if isinstance(event, Loading):
        need = f" (needs about {memory(event.predicted_bytes)})" if event.predicted_bytes else ""
        return f"loading {one_line(event.target.model)}{need} …"
    if isinstance(event, Logging):
        return f"counting the experts of prompt {event.number} of {event.total} …"
    name = f"{one_line(event.run.arm.target.model)} {event.run.test}"
    if isinstance(event, Started):
        return f"{name}: first trial …"
    if isinstance(event, Finished):
        return f"{name}: {event.status}"
    task, progress = event.run.arm.task, event.progress
    phase = "trial" if progress.measured else "warm-up"
    count = len(progress.measured) or len(progress.warm)
    so_far = estimate(progress.measured or progress.warm)
    shown = ""
    if so_far is not None and isinstance(task, Timed):
        tokens = task.batch_size * (task.prompt_tokens if task.kind == "prefill" else 1)
        half = so_far.relative_half_width
        width = f" ± {half:.1%}" if half is not None and progress.measured else ""
        shown = f", {rate(so_far.value * tokens)} tok/s{width}"
    return f"{name}: {phase} {count}{shown}, at most {duration(progress.remaining_s())} left"
