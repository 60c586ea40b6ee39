"""Tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.table import Table
from rich.text import Text

from mlxbench.measure.lab_note import SAMPLER
from mlxbench.records import GREEDY, Environment, Failed, Notice, Options, Run, Timed
from mlxbench.report import parts, settings
from mlxbench.report.document import PERCENTILES, native_rule
from mlxbench.report.format import MISSING, half_width, interval, memory, milliseconds, rate
from mlxbench.report.probes import ProbeResult
from mlxbench.report.routing import routing_words
from mlxbench.report.safe import one_line
from mlxbench.report.summary import Summary, inter_token_latencies
from mlxbench.stats import effective_size, fewest, percentile

WIDEST_NAME = 24  # of a model in a list, before it folds too
MARKS = {
    "*": "* synthetic: random weights of the model's exact shape",
    "†": "† with other models in the same memory",
}


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table in the house style; the columns named in `right` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def text(value: str) -> Text:
    """Foreign text for a cell: no control characters, no markup."""
    return Text(one_line(value))


def model_name(run: Run) -> str:
    """The model's name with what is unusual: a server, random weights, company, a broken run."""
    target = run.arm.target
    marks = [target.engine] if target.source == "server" else []
    marks += ["synthetic"] if target.synthetic else []
    marks += [beside(run.resident)] if run.resident else []
    marks += [run.status] if run.status != "done" else []
    return f"{target.model} ({', '.join(marks)})" if marks else target.model


def beside(residents: Sequence[str]) -> str:
    """Which other models were in memory, in few words."""
    return f"beside {residents[0]}" if len(residents) == 1 else f"beside {len(residents)} others"


def decode_table(summaries: Sequence[Summary]) -> Table:
    """Decode rates with the range of context lengths that each covers."""
    unit = parts.unit(summary.run.arm for summary in summaries)
    made = table(
        *("model", "test", "context", unit, "95 % interval", "n", "peak"),
        right=("context", unit, "95 % interval", "n", "peak"),
    )
    for summary in summaries:
        made.add_row(
            text(model_name(summary.run)),
            text(parts.test(summary.run)),
            _context(summary),
            *_estimate(summary, "decode_tps"),
            memory(summary.peak_memory_bytes),
        )
    return made


def prefill_table(summaries: Sequence[Summary]) -> Table:
    """Prefill rates with the time to the first token."""
    made = table(
        *("model", "test", "tok/s", "95 % interval", "TTFT", "n", "peak"),
        right=("tok/s", "95 % interval", "TTFT", "n", "peak"),
    )
    for summary in summaries:
        value, bounds, n = _estimate(summary, "prefill_tps")
        ttft = milliseconds(summary.ttft_s.value if summary.ttft_s else None)
        name, test = text(model_name(summary.run)), text(summary.run.test)
        made.add_row(name, test, value, bounds, ttft, n, memory(summary.peak_memory_bytes))
    return made


def conditions(run: Run) -> str:
    """One line: what the run was measured on, and how."""
    bits = _bits(run)
    return one_line(" · ".join([*([f"{bits} bits/weight"] if bits else []), *_circumstances(run)]))


def shared_conditions(runs: Iterable[Run]) -> Iterator[str]:
    """A line for all runs of the same conditions; where only their bits differ, it names models."""
    found: dict[tuple[str, ...], dict[tuple[str, str], None]] = {}
    for run in runs:
        own = (run.arm.target.model, _bits(run) or MISSING)
        found.setdefault(tuple(_circumstances(run)), {})[own] = None
    for circumstances, models in found.items():
        bits = list(dict.fromkeys(bits for _, bits in models))
        named = bits if len(bits) == 1 else [" ".join(one) for one in models]
        said = [] if bits == [MISSING] else [f"{', '.join(named)} bits/weight"]
        yield one_line(" · ".join([*said, *circumstances]))


def _bits(run: Run) -> str | None:
    bits = run.checkpoint.bits_per_weight if run.checkpoint else None
    return f"{bits:.2f}" if bits else None


def _circumstances(run: Run) -> Iterator[str]:
    """What conditions say besides the model's own bits."""
    options = run.arm.options
    step = options.prefill_step_size
    said = [
        *_decoding(run),
        f"KV {options.kv_bits} bit" if options.kv_bits else None,
        f"prefill step {step}" if step != Options().prefill_step_size else None,
        *(_serving(run) or machine_parts(run.environment)),
        "one session",
    ]
    yield from (part for part in said if part)


def _serving(run: Run) -> list[str | None]:
    """The machine and the program of a server's model; nothing for one of this process."""
    serving = run.checkpoint.serving if run.checkpoint else {}
    if not serving:
        return []
    program = " ".join(str(serving[key]) for key in ("program", "version") if key in serving)
    return [*machine_parts(replace(run.environment, versions={})), program]


def _decoding(run: Run) -> list[str]:
    """How tokens were decoded and drawn; a prefill trial draws one only."""
    task, served = run.arm.task, run.arm.target.source == "server"
    if parts.of_a_part(run.arm) or (isinstance(task, Timed) and task.kind == "prefill"):
        return []
    mode = [] if served else [task.mode if isinstance(task, Timed) else "pipelined"]
    sampler = task.sampler
    if sampler.greedy:
        return [*mode, "greedy"]
    drawn = f"temperature {sampler.temperature:g}, top-p {sampler.top_p:g}, top-k {sampler.top_k}"
    return [*mode, drawn]


def machine_parts(environment: Environment) -> list[str | None]:
    """The machine and the versions that a rate belongs to."""
    versions = environment.versions
    return [
        environment.accelerator or environment.cpu,
        environment.accelerator_backend,
        f"mlx {versions['mlx']}" if "mlx" in versions else None,
        f"mlx-lm {versions['mlx-lm']}" if "mlx-lm" in versions else None,
    ]


def native_line(summary: Summary) -> str | None:
    """A server's own rate, which its users know, beside the rule by which it counts."""
    rule = native_rule(summary.run)
    served = summary.run.arm.target.source == "server"
    if not served or summary.native_decode_tps is None or rule is None:
        return None
    return f"native: {rate(summary.native_decode_tps)} tok/s (n = {summary.trials}); {rule}"


def latency_line(run: Run) -> str | None:
    """Inter-token latencies of a stepped run, each percentile only where there are enough gaps.

    Neighbouring gaps resemble each other, so what counts is how many independent ones they equal.
    """
    gaps = inter_token_latencies(run)
    if not gaps:
        return None
    said, missing = [], False
    for name, fraction in PERCENTILES.items():
        found = percentile(gaps, fraction)
        if found is None:
            missing = True
            said.append(f"{name} needs {fewest(fraction)}")
        else:
            bounds = f"{milliseconds(found.low)}–{milliseconds(found.high)}"
            said.append(f"{name} {milliseconds(found.value)} [{bounds}]")
    worth = f", as good as {int(effective_size(gaps))} independent gaps" if missing else ""
    return f"ITL (n = {len(gaps)}{worth}): " + ", ".join(said)


def notice_line(notice: Notice) -> str:
    """A warning with its advice, on one line."""
    return one_line(f"warning: {notice.message}; {notice.advice}")


def _context(summary: Summary) -> str:
    """How many tokens lay before the first and the last token that the rate counts."""
    task = summary.run.arm.task
    depth = task.depth if isinstance(task, Timed) else 0
    if summary.prompt_tokens is None or summary.generated_tokens is None:
        return MISSING
    if parts.of_a_part(summary.run.arm):
        return MISSING
    begin = depth + summary.prompt_tokens
    return f"{begin + 1}–{begin + summary.generated_tokens - 1}"


def _estimate(summary: Summary, name: str) -> tuple[str, str, str]:
    found = getattr(summary, name)
    if found is None:
        return rate(None), summary.run.status, str(summary.trials)
    return rate(found.value), interval(found.low, found.high), str(found.n)


def results_table(
    summaries: Sequence[Summary], probes: Mapping[str, ProbeResult] | None = None
) -> Table:
    """One line per run: what, how fast, how sure, and what the same weights notice.

    Random weights are marked by a star, runs beside other models by a dagger. What was set
    otherwise than usual stands with the test, which folds where the terminal is narrow.
    """
    made = table(
        *("run", "model", "test", "tok/s", "± 95 %", "n", "probe"), right=("tok/s", "± 95 %", "n")
    )
    made.columns[0].no_wrap = True
    made.padding = 0  # so that names need not fold at 80 columns
    for summary in summaries:
        target, found = summary.run.arm.target, getattr(summary, headline(summary.run))
        made.add_row(
            summary.run.run_id,
            text(target.model + marks(summary.run) + _unfinished(summary.run)),
            text(", ".join([summary.run.test, *_settings(summary.run)])),
            rate(found.value if found else None),
            half_width(found.relative_half_width) if found else summary.run.status,
            str(summary.trials),
            verdict((probes or {}).get(summary.run.run_id)),
        )
    names = [len(str(cell)) for cell in made.columns[1].cells]
    made.columns[1].no_wrap = max(names, default=0) <= WIDEST_NAME
    made.caption = legend(summary.run for summary in summaries)
    made.caption_justify = "left"
    return made


def marks(run: Run) -> str:
    """The signs of `MARKS` that stand behind the model's name."""
    return ("*" if run.arm.target.synthetic else "") + ("†" if run.resident else "")


def legend(runs: Iterable[Run]) -> str | None:
    """What the signs mean that these runs have."""
    signs = "".join(map(marks, runs))
    return "\n".join(words for mark, words in MARKS.items() if mark in signs) or None


def _settings(run: Run) -> Iterator[str]:
    """What was set otherwise than usual: of replies, than their makers advise."""
    task, options = run.arm.task, run.arm.options
    routing = routing_words(options.routing) if options.routing else []
    if isinstance(task, Timed):
        yield from settings.words(task.mode, task.sampler, options, routing)
        return
    if task.sampler.greedy:
        yield "greedy"
    usual = replace(task.sampler, seed=SAMPLER.seed) == SAMPLER
    yield from settings.words("pipelined", GREEDY if usual else task.sampler, options, routing)


def verdict(probe: ProbeResult | None) -> str:
    """`FAIL 0/20`: a verdict with its number."""
    if probe is None or probe.verdict is None:
        return MISSING
    return f"{probe.verdict} {probe.passes}/{len(probe.replies)}"


def _unfinished(run: Run) -> str:
    return "" if run.status == "done" else f" ({run.status})"


def headline(run: Run) -> str:
    """Which rate a run is about."""
    task = run.arm.task
    return "prefill_tps" if isinstance(task, Timed) and task.kind == "prefill" else "decode_tps"


def run_report(summary: Summary) -> Iterator[Table | Text]:
    """Everything that a person wants of one run: estimate, conditions, warnings, trials."""
    run = summary.run
    is_prefill = headline(run) == "prefill_tps"
    yield prefill_table([summary]) if is_prefill else decode_table([summary])
    yield text(conditions(run))
    yield text(f"{run.status} · {run.created_utc} · {run.command}")
    for line in (latency_line(run), native_line(summary)):
        if line:
            yield text(line)
    for notice in run.notices:
        yield text(notice_line(notice))
    yield trials_table(run)


def trials_table(run: Run) -> Table:
    """Every trial, the discarded and failed ones included."""
    unit = parts.unit([run.arm])
    made = table("trial", "phase", "result", unit, "TTFT", "peak", right=(unit, "peak"))
    for record in run.trials:
        trial = record.trial
        if isinstance(trial, Failed):
            why = text(f"{trial.reason}: {trial.message}")
            made.add_row(str(record.sequence), record.phase, why, MISSING, MISSING, MISSING)
            continue
        first, last = trial.stamps[0], trial.stamps[-1]
        value: float | None = trial.batch_size * trial.prompt_tokens / first
        if headline(run) == "decode_tps":
            steps = trial.batch_size * (trial.generated_tokens - 1)
            value = steps / (last - first) if steps else None
        whole = milliseconds(first) if not _cached_prompt(run) else MISSING
        peak = memory(trial.peak_memory_bytes)
        made.add_row(
            str(record.sequence), record.phase, trial.finish_reason, rate(value), whole, peak
        )
    return made


def _cached_prompt(run: Run) -> bool:
    """Decode trials find their prompt in the cache, so their first token says nothing."""
    return isinstance(run.arm.task, Timed) and run.arm.task.kind == "decode"
