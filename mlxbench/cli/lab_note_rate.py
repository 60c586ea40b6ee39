"""`--workload lab-note`: the lab note's own procedure, on MLX or on any Ollama, beside its figures.

It is the one declared exception to how mlxbench measures: a chat prompt with a changing suffix, the
thinking template, the server's sampling defaults, a reply that may end early, one warm-up and the
arithmetic mean of three native rates (N tokens over N-1 intervals). What comes out can stand beside
the published 72.1 / 25.4 / 23.3 tok/s, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlxbench import registry
from mlxbench.cli.measuring import measure_all
from mlxbench.cli.output import console, print_json, print_warnings
from mlxbench.cli.timing import command_line
from mlxbench.cli.timing_options import Settings
from mlxbench.measure.lab_note import PLAN, TASK, WORKLOAD
from mlxbench.records import Arm, Options, Reference, Target
from mlxbench.registry import ModelSpec
from mlxbench.report import document, lab_note


def decode_as_the_lab_note(settings: Settings, options: Options) -> None:
    """Measure every model by the lab note's procedure and print its table."""
    fixed = replace(settings, warmup=PLAN.warmup, trials=PLAN.trials, tokenizers=False)

    def arms(target: Target) -> Sequence[Arm]:
        return [Arm(target, TASK, options)]

    summaries = measure_all(fixed, arms, command_line())
    if settings.as_json:
        print_json(document.results(summaries))
    else:
        models = registry.load(settings.models_file)
        console().print(lab_note.rate_table(summaries, _published(models)))
        console().print(
            "tok/s here is the mean of 3 native rates, by the engine's own count, sampled, to "
            "stand beside the note's. For a rate with an interval, measure without --workload.",
            style="dim",
        )
        print_warnings(summaries)
    if any(summary.run.status != "done" for summary in summaries):
        raise SystemExit(1)


def _published(models: dict[str, ModelSpec]) -> dict[str, Reference]:
    """The lab note's row for each model that it measured, by its name here and on Ollama."""
    return {
        name: reference
        for spec in models.values()
        for reference in spec.references
        if reference.workload == WORKLOAD
        for name in (spec.name, spec.ollama)
        if name
    }
