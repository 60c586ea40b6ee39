"""`mlxbench decode` and `mlxbench prefill`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from mlxbench.cli.parameters import Counts, Real
from mlxbench.cli.reach import SERVERS
from mlxbench.cli.timing_options import Settings, timing_options
from mlxbench.records import Arm, Kind, Options, Sampler, Target, Task, Timed
from mlxbench.redact import redact

# All that may be said beside `--workload lab-note`: the rest is what the note fixed.
LAB_NOTE_MAY_SET = {
    *("models", "synthetic", "layers", "models_file", "db", "as_json", "workload"),
    *("engine", "url", "allow_remote", "unload"),
}


DECODE_OPTIONS = (
    click.option(
        *("-g", "--generation-tokens"),
        type=Counts(2),
        default="128",
        show_default=True,
        help="Tokens to generate, exactly; several by commas.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["pipelined", "stepped"]),
        default="pipelined",
        show_default=True,
        help="pipelined: as people run it. stepped: each token synchronised, which gives "
        "inter-token latencies and a lower rate.",
    ),
    click.option(
        "--temperature",
        type=Real(0, 10),
        metavar="N",
        default=0.0,
        show_default=True,
        help="0 is greedy.",
    ),
    click.option(
        "--top-p",
        type=Real(0, 1, min_open=True),
        metavar="N",
        default=1.0,
        show_default=True,
        help="1 is off.",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(0, 1_000_000),
        metavar="N",
        default=0,
        show_default=True,
        help="0 is off.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        metavar="N",
        default=0,
        show_default=True,
        help="Of the sampler.",
    ),
    click.option(
        "--workload",
        type=click.Choice(["standard", "lab-note"]),
        default="standard",
        show_default=True,
        help="lab-note: the lab note's own chat prompt, sampled, 512 tokens, mean of 3.",
    ),
)


@click.command()
@timing_options(*DECODE_OPTIONS)
def decode(
    prompt_tokens: tuple[int, ...],
    generation_tokens: tuple[int, ...],
    depth: tuple[int, ...],
    batch_size: tuple[int, ...],
    mode: Any,
    workload: str,
    kv_bits: str | None,
    prefill_step_size: int,
    temperature: float,
    top_p: float,
    top_k: int,
    seed: int,
    **settings: Any,
) -> None:
    """Measure how fast a model generates tokens.

    Lists expand to their product: `-p 512,4096 -b 1,4` is four measurements. Every trial has its
    own prompt, and the rate counts the N-1 intervals between N tokens. In process EOS is ignored; a
    server's reply that ends early is a failed trial.
    """
    options = Options(prefill_step_size, int(kv_bits) if kv_bits else None)
    wanted = Settings(**settings, workload=workload)
    if workload == "lab-note":
        _refuse_other_options(click.get_current_context())
        from mlxbench.cli.lab_note_rate import decode_as_the_lab_note

        decode_as_the_lab_note(wanted, options)
        return
    sampler = Sampler(temperature, top_p, top_k, seed)
    kind: Kind = "request" if wanted.engine in SERVERS else "decode"
    tasks = [
        Timed(kind, p, g, d, b, mode, sampler)
        for b in batch_size
        for d in depth
        for p in prompt_tokens
        for g in generation_tokens
    ]
    measure_and_show(wanted, tasks, options)


@click.command()
@timing_options()
def prefill(
    prompt_tokens: tuple[int, ...],
    depth: tuple[int, ...],
    batch_size: tuple[int, ...],
    kv_bits: str | None,
    prefill_step_size: int,
    **settings: Any,
) -> None:
    """Measure how fast a model processes a prompt, and the time to its first token.

    Lists expand to their product. Every trial has its own prompt of exactly the same length, and
    the time ends when the first token's value is on the host.
    """
    options = Options(prefill_step_size, int(kv_bits) if kv_bits else None)
    tasks = [Timed("prefill", p, 1, d, b) for b in batch_size for d in depth for p in prompt_tokens]
    measure_and_show(Settings(**settings), tasks, options)


def measure_and_show(settings: Settings, tasks: Sequence[Task], options: Options) -> None:
    """Measure every model × task, then print the results. Exit code 1 when one has no rate."""
    from mlxbench.cli.measuring import measure_all
    from mlxbench.cli.output import print_results
    from mlxbench.cli.residency import measure_residents

    def arms(target: Target) -> list[Arm]:
        return [Arm(target, task, options) for task in tasks]

    if settings.resident:
        summaries = measure_residents(settings, arms, command_line())
    else:
        summaries = measure_all(settings, arms, command_line())
        print_results(summaries, kind_of(tasks[0]), settings.as_json)
    if any(summary.run.status != "done" for summary in summaries):
        raise SystemExit(1)


def _refuse_other_options(context: click.Context) -> None:
    """The lab note fixed its own sizes and sampling; what would be ignored is refused."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name not in LAB_NOTE_MAY_SET:
            raise click.UsageError(f"{option.opts[-1]} is fixed by --workload lab-note", context)


def kind_of(task: Task) -> Kind:
    return task.kind if isinstance(task, Timed) else "decode"


def command_line() -> str:
    """The command as typed, to be kept with its results."""
    return redact("mlxbench " + shlex.join(sys.argv[1:]))
