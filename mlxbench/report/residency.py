"""What models in memory together cost each other: the same arm alone and beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from mlxbench import stats
from mlxbench.records import Metric
from mlxbench.report import document, terminal
from mlxbench.report.format import MISSING, memory, rate
from mlxbench.report.stored import paces
from mlxbench.report.summary import Summary
from mlxbench.stats import ONLY_LOOK, Verdict
from mlxbench.stats.unpaired import unpaired_effect

APART = (
    "alone and together were measured apart, so whatever else changed in between is in the "
    "difference; measure again on a quiet machine before you rely on a small one"
)


@dataclass(frozen=True, slots=True)
class Shared:
    """One arm measured alone and beside the others; no verdict where either has too few trials."""

    alone: Summary
    together: Summary
    verdict: Verdict | None


def shared(alone: Summary, together: Summary) -> Shared:
    """What company changed: `verdict.speed_ratio` is the speed together over the speed alone."""
    metric: Metric = "prefill" if _headline(alone) == "prefill_tps" else "decode"
    effect = unpaired_effect(paces(alone.run, metric), paces(together.run, metric))
    return Shared(alone, together, stats.verdict(effect, ONLY_LOOK) if effect else None)


def speed_table(found: Sequence[Shared]) -> Table:
    """Rates alone and together with the difference that company made."""
    made = terminal.table(
        *("model", "test", "alone", "together", "change", "95 % interval", "verdict"),
        right=("alone", "together", "change", "95 % interval"),
    )
    made.padding = 0  # so that intervals need not fold at 80 columns
    for one in found:
        made.add_row(
            terminal.text(one.alone.run.arm.target.model + terminal.marks(one.alone.run)),
            terminal.text(one.alone.run.test),
            *(_rate(summary) for summary in (one.alone, one.together)),
            *_change(one.verdict),
        )
    synthetic = terminal.legend(one.alone.run for one in found)
    made.caption = "\n".join(filter(None, [f"tok/s; n = {_trials(found)}", synthetic]))
    made.caption_justify = "left"
    return made


def memory_table(found: Sequence[Shared]) -> Table:
    """The memory foretold before loading beside the most that a trial saw in use."""
    made = terminal.table(
        *("model", "test", "alone: predicted", "peak", "together: predicted", "peak"),
        right=("alone: predicted", "peak", "together: predicted"),
    )
    for one in found:
        made.add_row(
            terminal.text(one.alone.run.arm.target.model + terminal.marks(one.alone.run)),
            terminal.text(one.alone.run.test),
            *_memory(one.alone),
            *_memory(one.together),
        )
    return made


def residency_document(found: Sequence[Shared]) -> dict[str, Any]:
    """The results of all runs, and under `residency` what belongs together."""
    runs = [*(one.alone for one in found), *(one.together for one in found)]
    return {**document.results(runs), "residency": [_entry(one) for one in found]}


def _entry(one: Shared) -> dict[str, Any]:
    ratio = one.verdict.speed_ratio if one.verdict else None
    return {
        "model": one.alone.run.arm.target.model,
        "test": one.alone.run.test,
        "resident": list(one.together.run.resident),
        "alone_run_id": one.alone.run.run_id,
        "together_run_id": one.together.run.run_id,
        "ratio": ratio and {"value": ratio.value, "low": ratio.low, "high": ratio.high},
        "verdict": one.verdict.word if one.verdict else None,
        "mde": one.verdict.detectable if one.verdict else None,
    }


def _headline(summary: Summary) -> str:
    return terminal.headline(summary.run)


def _rate(summary: Summary) -> str:
    found = getattr(summary, _headline(summary))
    return rate(found.value) if found else summary.run.status


def _change(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None:
        return MISSING, "too few trials", MISSING
    ratio = verdict.speed_ratio
    assert ratio.low is not None
    assert ratio.high is not None
    bounds = f"{ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}"
    return f"{ratio.value - 1:+.1%}", bounds, verdict.word


def _trials(found: Sequence[Shared]) -> str:
    counts = [(one.alone.trials, one.together.trials) for one in found]
    return ", ".join(dict.fromkeys(f"{alone} and {together}" for alone, together in counts))


def _memory(summary: Summary) -> tuple[str, str]:
    return memory(summary.run.predicted_memory_bytes), memory(summary.peak_memory_bytes)
