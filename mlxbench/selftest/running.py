"""One step after the other, whatever happens in them.

On a machine that nobody has met, anything may raise. What does is a failed check that says where,
and the next step is done all the same. Only Ctrl-C, and what goes wrong between the steps, ends a
self-test early; what there is is kept, and says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb

from mlxbench import environment
from mlxbench.errors import DoesNotFitError
from mlxbench.selftest.bench import Bench, bench
from mlxbench.selftest.checked import Checked, SelfTest, Status, Step
from mlxbench.selftest.private import foreign
from mlxbench.selftest.scale import Scale
from mlxbench.selftest.steps import Planned, planned

OURS = "mlxbench"


@dataclass(frozen=True, slots=True)
class Progress:
    """Step `number` of `total` is about to begin, `elapsed_s` after the first."""

    number: int
    total: int
    title: str
    elapsed_s: float


def run(
    scale: Scale,
    on_step: Callable[[Progress], None],
    on_found: Callable[[SelfTest], None],
) -> SelfTest:
    """All steps; `on_found` gets the document so far before the first step and after each.

    What ends it early, Ctrl-C or a fault outside of the steps, goes on its way after `on_found` got
    the document once more, as interrupted or failed.
    """
    found = SelfTest(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        status="running",
        scale=scale.name,
        environment=environment.collect(),
    )
    on_found(found)
    began = time.perf_counter()
    status: Status = "failed"
    try:
        with bench(scale, found.environment) as shared:
            plan = planned(shared)
            for number, step in enumerate(plan, 1):
                elapsed = time.perf_counter() - began
                on_step(Progress(number, len(plan), step.title, elapsed))
                found = _with(found, step, shared)
                on_found(found)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        found = replace(found, status=status)
        on_found(found)
    return found


def _with(found: SelfTest, step: Planned, shared: Bench) -> SelfTest:
    began = time.perf_counter()
    checks = checked(step, shared)
    done = Step(step.title, time.perf_counter() - began)
    return replace(found, steps=(*found.steps, done), checks=(*found.checks, *checks))


def checked(step: Planned, shared: Bench) -> list[Checked]:
    """What a step found until it ended or raised."""
    checks: list[Checked] = []
    try:
        checks.extend(step.run(shared))
    except DoesNotFitError as error:
        said = foreign(error.problem)
        checks.append(Checked(step.title, "room", None, "not enough", "", said))
    except Exception as error:  # noqa: BLE001
        # Nobody can list what a library, a driver or a kernel of somebody's may raise here. This
        # boundary measures nothing: it writes the fault down, as one that the next step outlives.
        checks.append(_raised(step.title, error))
    return [replace(one, figures=_known(one.figures)) for one in checks]


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    """Without those that are no number, which JSON has no words for."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _raised(title: str, error: Exception) -> Checked:
    said = f"{type(error).__name__}: {foreign(str(error))}"
    value = "it raised an error" + _where(error)
    return Checked(title, "ran to its end", False, value, "no error", said)


def _where(error: Exception) -> str:
    """The last lines of ours that an error came through."""
    frames = [
        (Path(frame.filename), frame.lineno)
        for frame in extract_tb(error.__traceback__)
        if OURS in Path(frame.filename).parts
    ]
    if not frames:
        return ""
    path, line = frames[-1]
    own = path.parts[len(path.parts) - 1 - path.parts[::-1].index(OURS) :]
    return f" at {'/'.join(own)}:{line}"
