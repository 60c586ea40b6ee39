"""A probe's result for a terminal of 80 columns: speed and skill in one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from mlxbench.acrostic import Grades
from mlxbench.errors import InputError
from mlxbench.records import Completed, Failed, Probe, Reference, Run
from mlxbench.report.format import MISSING, duration, half_width, rate
from mlxbench.report.probe_document import pairs_for_gap, pairs_for_test
from mlxbench.report.probes import TRUNCATED, ProbeResult, gap, graded, paired, passes
from mlxbench.report.routing import routing_words
from mlxbench.report.safe import terminal
from mlxbench.report.summary import Summary
from mlxbench.report.terminal import conditions, model_name, notice_line, table, text
from mlxbench.stats import Estimate, wilson

Row = tuple[ProbeResult, Summary | None]
MOST_PHRASES = 3
GRADE_NAMES = {
    "3": "grade 3 (the phrase)",
    "2": "2 (a wrong one)",
    "1": "1 (noticed)",
    "0": "0 (nothing)",
    "TRUNCATED": "cut by the token budget",
}
WHAT_GRADES_MEAN = "3: says the phrase, 2: a wrong one, 1: noticed, 0: nothing (docs/probe.md)"
PASSING = {False: "gives the hidden phrase", True: "finds nothing hidden, as there is nothing"}
WHAT_PASS_MEANS = "PASS: at least half of the final answers give the hidden phrase."


def report(
    rows: Sequence[Row], published: Mapping[str, Sequence[Reference]]
) -> Iterator[Table | Text]:
    """The table, what several rows say together, and the conditions of each."""
    yield results_table(rows, published)
    for result, _ in rows:
        yield from (text(line) for line in details(result))
    yield from (text(line) for line in together([result for result, _ in rows]))
    for one in dict.fromkeys(one for _, one in _references(rows, published)):
        yield _dim(f"published: {one.engine}, {one.machine} ({one.source})")
    yield _dim(WHAT_PASS_MEANS)
    for line in dict.fromkeys(conditions(result.run) for result, _ in rows):
        yield _dim(line)
    yield _dim("kept as " + " ".join(result.run.run_id for result, _ in rows))


def results_table(rows: Sequence[Row], published: Mapping[str, Sequence[Reference]]) -> Table:
    """A row for each probe; the lab note's own rows below those of the same model."""
    made = table(
        *("model", "suite", "tok/s", "± 95 %", "probe", "passes", "95 %"),
        right=("tok/s", "± 95 %", "passes", "95 %"),
    )
    for result, measured in rows:
        tps = measured.decode_tps if measured else None
        made.add_row(
            text(model_name(result.run)),
            text(arm_name(result.run)),
            rate(tps.value if tps else None),
            half_width(tps.relative_half_width) if tps else MISSING,
            result.verdict or MISSING,
            f"{result.passes} of {len(result.replies)}",
            share(result.share),
        )
    for model, reference in _references(rows, published):
        made.add_row(
            text(f"{model} (published)"),
            "fomo, script",
            rate(reference.decode_tps),
            MISSING,
            reference.probe or MISSING,
            "1 of 1" if reference.probe == "PASS" else "0 of 1",
            share(wilson(int(reference.probe == "PASS"), 1)),
            style="dim",
        )
    return made


def details(result: ProbeResult) -> Iterator[str]:
    """What the row has no room for: costs, wrong phrases, what the note's rule says."""
    name = f"{result.run.arm.target.model}, {result.suite}"
    counts = ", ".join(f"{count} × {GRADE_NAMES[grade]}" for grade, count in _counted(result))
    yield f"{name}: {counts or 'no reply'}"
    if result.tokens_to_pass is not None and result.seconds_to_pass is not None:
        seconds = duration(result.seconds_to_pass)
        yield f"{name}: {result.tokens_to_pass:,.0f} tokens and {seconds} for each pass"
    if result.false_positives is not None:
        complete = len(result.replies) - result.truncated
        bounds = share(wilson(result.false_positives, complete)) if complete else MISSING
        yield f"{name}: {result.false_positives} of {complete} false positives, 95 %: {bounds}"
    if result.truncated and result.share_of_complete:
        complete = len(result.replies) - result.truncated
        bounds = share(result.share_of_complete)
        yield f"{name}: {result.passes} of {complete} complete replies pass, 95 %: {bounds}"
    wrong = dict.fromkeys(r.grades.wrong_phrase for r in result.replies if r.grades.wrong_phrase)
    if wrong:
        yield f"{name}: wrong phrases: {'; '.join(list(wrong)[:MOST_PHRASES])}"
    if result.suite == "fomo" and result.seed_verdict != result.verdict:
        yield f"{name}: {result.seed_verdict} by the rule of the lab note's script"
    if result.missing:
        yield f"{name}: {result.missing} replies are missing; the same command goes on"


def _counted(result: ProbeResult) -> Iterator[tuple[str, int]]:
    """The grades that were given, the best first."""
    for grade in GRADE_NAMES:
        if result.counts[grade]:
            yield grade, result.counts[grade]


def together(results: Sequence[ProbeResult]) -> Iterator[str]:
    """The gap between the public item and fresh ones; McNemar's test between arms."""
    for fomo, heldout in pairs_for_gap(results):
        found = gap(fomo, heldout)
        if found is not None:
            yield (
                f"{_short(fomo)} minus heldout: {found.value:+.0%} (95 %: {found.low:+.0%} to "
                f"{found.high:+.0%}); well above 0 hints that the poem was memorised"
            )
    for a, b in pairs_for_test(results):
        pairs = paired(a, b)
        if pairs is not None:
            yield (
                f"{a.suite}, {pairs.items} items: {pairs.only_first} only by "
                f"{_short(a)}, {pairs.only_second} only by {_short(b)}; McNemar p = {pairs.p:.3g}"
            )


def replies_table(result: ProbeResult) -> Table:
    """Every reply with its grades, the failed ones included."""
    made = table(
        *("reply", "item", "seed", "answer", "thoughts", "tokens", "end", "wrong phrase"),
        right=("reply", "seed", "tokens"),
    )
    probe = result.run.arm.task
    assert isinstance(probe, Probe)
    by_place = {reply.place: reply for reply in result.replies}
    for record in result.run.trials:
        place, seed = str(record.sequence), str(probe.sampler.seed + record.sequence)
        if isinstance(record.trial, Failed):
            why = text(f"{record.trial.reason}: {record.trial.message}")
            item = probe.question(record.sequence).item
            made.add_row(place, item, seed, MISSING, MISSING, MISSING, MISSING, why)
            continue
        reply = by_place[record.sequence]
        grades = reply.grades
        made.add_row(
            place,
            text(reply.item),
            seed,
            str(grades.final_grade),
            MISSING if grades.thinking_grade is None else str(grades.thinking_grade),
            str(reply.tokens),
            "budget" if reply.cut else "own",
            text(grades.wrong_phrase or MISSING),
        )
    return made


def grades_report(found: Sequence[tuple[str, Grades]], control: bool) -> Iterator[Table | Text]:
    """A row for each file's reply, with the verdicts of both rules, and what its grades mean."""
    made = table("file", "answer", "thoughts", "wrong phrase", "verdict", "lab note")
    for name, one in found:
        made.add_row(
            text(name),
            str(one.final_grade),
            MISSING if one.thinking_grade is None else str(one.thinking_grade),
            text(one.wrong_phrase or MISSING),
            "PASS" if passes(one, control) else "FAIL",
            one.seed_verdict,
        )
    yield made
    yield _dim(WHAT_GRADES_MEAN)
    yield _dim(f"PASS: the answer {PASSING[control]}; lab note: by its script's rule")
    if any(one.final_grade == TRUNCATED for _, one in found):
        yield _dim(f"{TRUNCATED}: cut before a complete phrase, which is no PASS")


def run_report(summary: Summary) -> Iterator[Table | Text]:
    """Everything that a person wants of one stored probe: its row, conditions, every reply."""
    run = summary.run
    result = graded(run)
    yield results_table([(result, summary)], {})
    yield from (text(line) for line in details(result))
    yield text(conditions(run))
    yield text(f"{run.status} · {run.created_utc} · {run.command}")
    yield from (text(notice_line(notice)) for notice in run.notices)
    yield replies_table(result)
    yield _dim(f"`mlxbench results show {run.run_id} --reply N` prints reply N")


def raw_reply(run: Run, place: int) -> Text:
    """A reply as it came, but for what would move the cursor. Raises InputError without one."""
    for record in run.trials:
        if record.sequence == place and isinstance(record.trial, Completed):
            return Text(terminal(record.trial.text or ""))
    raise InputError(
        f"{run.run_id} has no reply {place}", f"see them with `mlxbench results show {run.run_id}`"
    )


def arm_name(run: Run) -> str:
    """The suite, and what the arm changes."""
    probe = run.arm.task
    assert isinstance(probe, Probe)
    prompts = {"fomo-script": ["script"]}.get(probe.questions[0].item, [])
    thinking = {None: [], True: ["thinking"], False: ["not thinking"]}[probe.thinking]
    greedy = ["greedy"] if probe.sampler.greedy else []
    routing = routing_words(run.arm.options.routing) if run.arm.options.routing else []
    return ", ".join([probe.suite, *prompts, *thinking, *greedy, *routing])


def share(found: Estimate | None) -> str:
    """An interval of a share in percent."""
    if found is None or found.low is None or found.high is None:
        return MISSING
    return f"{100 * found.low:.0f}–{100 * found.high:.0f} %"


def _short(result: ProbeResult) -> str:
    return f"{result.run.arm.target.model} ({arm_name(result.run)})"


def _references(
    rows: Sequence[Row], published: Mapping[str, Sequence[Reference]]
) -> Iterator[tuple[str, Reference]]:
    """The lab note's probes of the models in `rows`, each with its model's name."""
    models = dict.fromkeys(result.run.arm.target.model for result, _ in rows)
    for model in models:
        yield from ((model, one) for one in published.get(model, ()) if one.probe)


def _dim(line: str) -> Text:
    made = text(line)
    made.stylize("dim")
    return made
