"""Two stored runs beside each other: unpaired, and therefore weaker than a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from rich.text import Text

from mlxbench import stats
from mlxbench.errors import InputError
from mlxbench.measure.pairs import seconds
from mlxbench.records import SCHEMA_VERSION, Metric, Run, Task, Timed
from mlxbench.report.terminal import model_name, text
from mlxbench.stats import ONLY_LOOK, Verdict
from mlxbench.stats.unpaired import unpaired_effect

WEAKER = (
    "the two were measured apart, so whatever changed in between is in this ratio; "
    "`mlxbench compare` interleaves them"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Two runs and what was found about the second, seen from the first."""

    runs: tuple[Run, Run]
    metric: Metric
    verdict: Verdict
    trials: tuple[int, int]


def refuse_unlike(a: Run, b: Run, force: bool) -> None:
    """Raises InputError for different tasks, and without `force` for other machines or versions."""
    for name, ours, theirs in _tasks(a, b):
        if ours != theirs:
            raise InputError(
                f"{a.run_id} and {b.run_id} differ in {name}: {ours} and {theirs}",
                "compare runs of the same test",
            )
    for name, ours, theirs in _circumstances(a, b):
        if ours != theirs and not force:
            raise InputError(
                f"{a.run_id} and {b.run_id} differ in {name}: {ours} and {theirs}",
                "add --force if that is the point",
            )


def compare(a: Run, b: Run, metric: Metric) -> Stored:
    """The verdict about `b`. Raises InputError when either has too few trials."""
    kind = "prefill" if metric in ("prefill", "ttft") else "decode"
    if _kind(a.arm.task) != kind:
        raise InputError(
            f"{a.run_id} measured {_kind(a.arm.task)}, which says nothing of {metric}",
            "give --metric what the runs measured",
        )
    measured = tuple(paces(run, metric) for run in (a, b))
    effect = unpaired_effect(*measured)
    if effect is None:
        counts = " and ".join(str(len(each)) for each in measured)
        raise InputError(
            f"{a.run_id} and {b.run_id} have {counts} usable trials",
            "measure again with at least 3 each",
        )
    verdict = stats.verdict(effect, ONLY_LOOK)
    return Stored((a, b), metric, verdict, (len(measured[0]), len(measured[1])))


def document(found: Stored) -> dict[str, Any]:
    """The JSON document, shaped like that of a comparison."""
    verdict = found.verdict
    ratio = verdict.speed_ratio
    return {
        "schema_version": SCHEMA_VERSION,
        "comparison": {
            "arms": [{"run_id": run.run_id, "model": run.arm.target.model} for run in found.runs],
            "metric": found.metric,
            "ratio": {"value": ratio.value, "low": ratio.low, "high": ratio.high},
            "verdict": verdict.word,
            "mde": verdict.detectable,
            "pairs": 0,
            "trials": list(found.trials),
            "sessions": [],
            "null": None,
            "warnings": [{"code": "unpaired", "message": WEAKER, "advice": "compare them live"}],
        },
    }


def report(found: Stored) -> Iterator[Text]:
    """What a person reads."""
    ratio, (a, b) = found.verdict.speed_ratio, found.runs
    assert ratio.low is not None
    assert ratio.high is not None
    yield text(f"A: {model_name(a)}, {a.run_id}, n = {found.trials[0]}")
    yield text(f"B: {model_name(b)}, {b.run_id}, n = {found.trials[1]}")
    bounds = f"95 %: {ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}"
    yield text(f"B over A, {found.metric}: {ratio.value - 1:+.1%} ({bounds}): {found.verdict.word}")
    yield text(f"warning: {WEAKER}")


def paces(run: Run, metric: Metric) -> list[float]:
    """What each usable trial of `run` took by `metric`, in seconds."""
    measured = [record.trial for record in run.trials if record.phase == "measured"]
    return [value for trial in measured if (value := seconds(trial, metric)) is not None]


def _tasks(a: Run, b: Run) -> Iterator[tuple[str, object, object]]:
    yield "kind", _kind(a.arm.task), _kind(b.arm.task)
    for field in fields(a.arm.task):
        yield field.name, getattr(a.arm.task, field.name), getattr(b.arm.task, field.name)


def _kind(task: Task) -> str:
    return task.kind if isinstance(task, Timed) else "chat"


def _circumstances(a: Run, b: Run) -> Iterator[tuple[str, object, object]]:
    ours, theirs = a.environment, b.environment
    for name in ("machine", "cpu", "accelerator", "accelerator_backend", "memory_bytes"):
        yield name, getattr(ours, name), getattr(theirs, name)
    for package in sorted({*ours.versions, *theirs.versions}):
        yield package, ours.versions.get(package), theirs.versions.get(package)
