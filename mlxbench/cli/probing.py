"""Run the probe under the lock, and show how often each model passed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlxbench import acrostic, stats
from mlxbench.cli.lab_note import SAMPLER
from mlxbench.cli.measuring import measure_all
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.timing import command_line
from mlxbench.cli.timing_options import Settings
from mlxbench.records import Arm, Completed, Generate, Message, Run, Target
from mlxbench.report.format import MISSING, rate
from mlxbench.report.summary import Summary
from mlxbench.report.terminal import model_name, table, text
from mlxbench.store import Store

PROMPTS = {"note": acrostic.NOTE_PROMPT, "script": acrostic.SCRIPT_PROMPT}
WORKLOAD = "probe-fomo"
NO_LIMIT_S = 86_400.0 * 365  # so many replies, however long they take


def probe_models(
    models: tuple[str, ...],
    samples: int,
    token_budget: int,
    prompt: str,
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
    **server: Any,
) -> None:
    """Measure, then print; exit code 1 when a model gave no usable reply."""
    task = Generate((Message("user", PROMPTS[prompt]),), SAMPLER, token_budget)
    settings = Settings(
        models=models,
        synthetic=False,
        layers=None,
        models_file=models_file,
        db=db,
        trials=samples,
        warmup=0,
        budget=NO_LIMIT_S,
        as_json=as_json,
        workload=WORKLOAD,
        **server,
    )

    def arms(target: Target) -> Sequence[Arm]:
        return [Arm(target, task)]

    summaries = measure_all(settings, arms, command_line())
    with Store.open(store_path(db), create=False) as store:
        runs = [store.run(summary.run.run_id) for summary in summaries]
    if as_json:
        documents = [_document(run) for run in runs]
        print_json({"probe": documents[0] if len(documents) == 1 else documents})
    else:
        _print(summaries, runs)
    if any(not _replies(run) for run in runs):
        raise SystemExit(1)


def _print(summaries: Sequence[Summary], runs: Sequence[Run]) -> None:
    made = table("model", "tok/s", "passes", "95 % interval", "cut short", right=("tok/s",))
    for summary, run in zip(summaries, runs, strict=True):
        replies, passed, cut = _replies(run), _passes(run), _truncated(run)
        tps = summary.decode_tps.value if summary.decode_tps else None
        bounds = stats.wilson(passed, len(replies)) if replies else None
        shown = f"{bounds.low:.0%}–{bounds.high:.0%}" if bounds and bounds.high else MISSING
        made.add_row(
            text(model_name(run)), rate(tps), f"{passed} of {len(replies)}", shown, str(cut)
        )
    console().print(made)
    console().print(
        "PASS by the lab note's own rule: the reply, thoughts included, holds the phrase.\n"
        f"kept as {' '.join(run.run_id for run in runs)}",
        style="dim",
    )


def _document(run: Run) -> dict[str, Any]:
    replies, passed = _replies(run), _passes(run)
    return {
        "model": run.arm.target.model,
        "engine": run.arm.target.engine,
        "suite": "fomo",
        "samples": len(replies),
        "passes": passed,
        "wilson": _bounds(passed, len(replies)),
        "truncated": _truncated(run),
        "seed_verdict": "PASS" if passed else "FAIL",
        "run_id": run.run_id,
    }


def _bounds(passed: int, n: int) -> list[float | None] | None:
    """Wilson's 95 % interval of the share of passes."""
    if not n:
        return None
    share = stats.wilson(passed, n)
    return [share.low, share.high]


def _replies(run: Run) -> list[Completed]:
    return [record.trial for record in run.trials if isinstance(record.trial, Completed)]


def _passes(run: Run) -> int:
    return sum(acrostic.seed_verdict(reply.text or "") == "PASS" for reply in _replies(run))


def _truncated(run: Run) -> int:
    """Replies that the token budget ended."""
    return sum(reply.finish_reason == "length" for reply in _replies(run))
