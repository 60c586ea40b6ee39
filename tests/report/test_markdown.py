"""Markdown as a renderer of GitHub's kind reads it, not as it looks in an editor."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mlxbench.errors import InputError
from mlxbench.records import Notice, Reference
from mlxbench.report import markdown, page
from mlxbench.report.cells import Grid, families, plainest
from mlxbench.report.export import to_jsonl
from mlxbench.report.gathering import Gathered, gather
from mlxbench.report.plots import plots
from mlxbench.report.rows import ResultRow, row
from mlxbench.report.safe import one_line
from mlxbench.store import Store
from tests.report import plot_samples, plot_week

NASTY = [
    *("<script>", "</td>", "<img src=x>", "[a](http://x)", "![a](x)", "<http://x>", "|", "\\", "`"),
    *("``", "*b*", "_i_", "__b__", "~~s~~", "&amp;", "&lt;", "$x$", "#", "1.", "-", "+", "=", ">"),
    *("\n", "\r", "\x1b[2J", "\u202e", "\x00", " ", "model", "a_b", "tg128 @ d4096", "名", "é"),
    *("---", "@", "@name", "#12", "GH-12", "gh-7", "owner/repo#5", "http://x.y", "https://"),
    *("www.x", ":tada:", ":100:", "::", "a@b.cd", "12", "qwen3:30b-a3b", "high-5"),
]  # fmt: skip
# What GitHub and its kind turn into links and pictures, found in text that is rendered already.
LINKED = re.compile(r"@\w|#\d|(?<![^\W_])GH-\d|://|(?<![^\W_])www\.|:[\w+-]+:", re.IGNORECASE)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    with Store.open(tmp_path_factory.mktemp("store") / "s.sqlite") as store:
        plot_week.fill(store)
        return gather(store, plot_samples.references())


def rendered(text: str) -> str:
    return str(parser().render(text))


def parser() -> MarkdownIt:
    """CommonMark with what GitHub adds to it, and with HTML as HTML."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def cells(text: str) -> list[list[str]]:
    """The rows of the tables in a text, as a reader sees their cells; nothing becomes a link."""
    rows: list[list[str]] = []
    for token in parser().parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(_shown(token))
    return rows


def _shown(token: Token) -> str:
    """Only plain text is accepted: emphasis, links and HTML show as what they would do."""
    children = token.children or []
    shown = "".join(
        child.content if child.type in ("text", "text_special") else f"<{child.type}>"
        for child in children
    )
    assert not LINKED.search(shown)
    return shown.replace("\u200b", "")


def test_any_text_in_a_cell_is_read_as_that_text() -> None:
    source = random.Random(11)
    names = ["".join(source.choices(NASTY, k=source.randrange(1, 9))) for _ in range(600)]
    rows = tuple((f"row {place}", name) for place, name in enumerate(names))
    made = markdown.table(Grid(("place", "name"), (False, True), rows))
    shown = cells(made)[1:]
    assert [name for _, name in shown] == [one_line(name) for name in names]


def test_any_text_in_a_paragraph_is_read_as_that_text() -> None:
    source = random.Random(12)
    for _ in range(600):
        name = "x" if (found := one_line("".join(source.choices(NASTY, k=5)))) == "" else found
        tokens = parser().parse(markdown.escaped(name))
        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
        assert _shown(tokens[1]) == name


def test_what_becomes_a_link_without_markup_is_parted_where_nobody_sees_it() -> None:
    parted = {
        "@name": "@&#8203;name",
        "a@b.cd": "a@&#8203;b.cd",
        "owner/repo#5": "owner/repo#&#8203;5",
        "see GH-12": "see GH-&#8203;12",
        "http://x.y": "http:&#8203;//x.y",
        "www.x.y": "www&#8203;.x.y",
        ":tada:": ":&#8203;tada:",
    }
    assert {text: markdown.escaped(text) for text in parted} == parted
    for whole in ("tg128 @ d4096", "qwen3:30b-a3b", "high-5", "C#", "https", "12:30"):
        assert markdown.escaped(whole) == whole
    assert "@name #12" in markdown.fenced(["mlxbench decode --model @name #12"])


def test_commands_stay_code_whatever_backticks_they_hold() -> None:
    typed = ["mlxbench decode --model '```x'", "````", "a\nb"]
    (token,) = MarkdownIt().parse(markdown.fenced(typed))
    assert (token.type, token.info) == ("fence", "sh")
    assert token.content.splitlines() == [typed[0], typed[1], "a b"]


def test_the_report_has_every_result_plot_and_comparison_with_its_command(
    gathered: Gathered,
) -> None:
    drawn = plots(gathered)
    text = markdown.text(page.contents(gathered, drawn, "A <b>week</b>"))
    html = rendered(text)
    assert "<h1>A &lt;b&gt;week&lt;/b&gt;</h1>" in html
    code = "\n".join(re.findall(r"<code[^>]*>(.*?)</code>", html, re.DOTALL))
    for summary in gathered.summaries:
        assert summary.run.command in code
    for plot in drawn:
        assert f'<img src="plots/{plot.name}.png"' in html
        assert all(command in code for command in plot.commands)
    for found in gathered.comparisons:
        assert found.comparison.command in code
        assert found.comparison.comparison_id in html
    assert len(re.findall(r"faster than A|slower than A|no difference shown", html)) >= 12
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2, 3}


def test_the_first_table_shows_the_plain_rate_of_each_model_and_whose_figures_are_published(
    gathered: Gathered,
) -> None:
    header, *rows = cells(markdown.results_table(gathered.rows, gathered.references))
    assert header[:8] == [
        *("model", "test", "tok/s", "95 % interval", "n", "peak", "probe", "machine")
    ]
    by_model = {row[0]: row for row in rows}
    assert list(by_model) == [
        *("qwen3-30b-a3b", "qwen3:30b-a3b (ollama)", "qwen3-30b-a3b (published)"),
        *("qwen3-235b-a22b", "qwen3:235b-a22b (ollama)", "qwen3-235b-a22b (published)"),
        *("qwen3-32b", "qwen3:32b (ollama)", "qwen3-32b (published)"),
        *("tiny-moe (synthetic)", "tiny-dense (synthetic)"),
    ]
    assert len(rows) == len(by_model)
    assert by_model["qwen3-32b"][1] == "tg128"  # no depth, not stepped, nothing resident
    assert by_model["qwen3-32b"][6] == "FAIL 3/20 (5–36 %)"
    assert by_model["qwen3-32b (published)"][2:5] == ["25.4", "–", "–"]
    assert by_model["tiny-dense (synthetic)"][3:5] == ["–", "1"]


def test_the_first_table_is_the_same_from_exported_rows(gathered: Gathered) -> None:
    again = markdown.rows_from_jsonl(to_jsonl(gathered.rows))
    assert again == list(gathered.rows)
    assert markdown.results_table(again) == markdown.results_table(gathered.rows)


def test_rows_come_back_from_an_export_whatever_ends_a_line_in_them(gathered: Gathered) -> None:
    ends = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\r\nh\ri"
    rows = [replace(row, model=ends, command=ends) for row in gathered.rows[:2]]
    assert markdown.rows_from_jsonl(to_jsonl(rows)) == rows
    assert markdown.rows_from_jsonl(to_jsonl(rows).replace("\n", "\r\n")) == rows
    assert markdown.rows_from_jsonl("\n") == []


def test_the_block_has_published_figures_of_unmeasured_models_once_and_each_command_once(
    gathered: Gathered,
) -> None:
    names = ("qwen3-32b", "qwen3:32b")
    measured, other, another = (Reference("s", "e", "m", "w", tps) for tps in (1.0, 2.0, 3.0))
    by_tag = {"qwen3:32b": (measured,), "other:tag": (other, another)}
    references = {"qwen3-32b": (measured,), "other": (other, another), **by_tag}
    rows = [row for row in gathered.rows if row.model in names and row.decode_tps]
    assert len({row.model for row in rows}) == 2
    again = [replace(row, run_id=f"{row.run_id}-again") for row in rows]
    block = markdown.results_block([*rows, *again], references)
    header, *shown = cells(block)
    assert header == [
        *("model", "test", "tok/s", "95 % interval", "n", "peak", "probe", "machine", "versions")
    ]
    assert [(row[0], row[2]) for row in shown[2:]] == [
        *(("qwen3-32b (published)", "1"), ("other (published)", "2"), ("other (published)", "3"))
    ]
    assert [row[0] for row in shown[:2]] == ["qwen3-32b", "qwen3:32b (ollama)"]
    tokens = [token for token in parser().parse(block) if token.type == "fence"]
    (commands,) = (token.content.splitlines() for token in tokens)
    assert commands == list(dict.fromkeys(row.command for row in rows))
    assert len(commands) < len(rows)
    served = [row for row in rows if row.engine == "ollama"]
    _, *shown = cells(markdown.results_block(served, references))
    assert [row[0] for row in shown] == [
        *("qwen3:32b (ollama)", "qwen3:32b (published)"),
        *("other (published)", "other (published)"),
    ]


def test_how_tokens_were_drawn_stands_with_the_test(gathered: Gathered) -> None:
    greedy = next(row for row in gathered.rows if row.test == "tg128" and not row.resident)
    drawn = replace(greedy, temperature=0.6, top_p=0.95, top_k=20)
    _, (_, test, *_), (_, plain, *_) = cells(markdown.rows_table([drawn, greedy]))
    assert test == "tg128, temperature 0.6, top-p 0.95, top-k 20"
    assert plain == "tg128"


def test_the_same_chip_with_another_number_of_cores_has_a_row_of_its_own(
    gathered: Gathered,
) -> None:
    large = next(row for row in gathered.rows if row.test == "tg128")
    small = replace(large, run_id="small", accelerator_cores=60)
    _, *rows = cells(markdown.results_table([large, small]))
    machines = {row[7] for row in rows}
    assert machines == {"Apple M3 Ultra, 80 GPU cores", "Apple M3 Ultra, 60 GPU cores"}


def test_what_changes_a_rate_stands_with_its_test(gathered: Gathered) -> None:
    text = markdown.text(page.contents(gathered, [], "x"))
    tests = {row[1] for row in cells(text)}
    assert {"tg128, qwen3-32b in memory too", "tg256, stepped", "tg128 @ d32768"} <= tests


def test_only_a_model_measured_with_extras_shows_them_in_the_first_table(
    gathered: Gathered,
) -> None:
    stepped = [row for row in gathered.rows if row.mode == "stepped"]
    (family, *_) = families(stepped, {})
    assert [row.mode for row in plainest(family)] == ["stepped"]
    aborted = replace(stepped[0], status="aborted", mode="pipelined")
    (family,) = families([stepped[0], aborted], {})
    assert [row.status for row in plainest(family)] == ["done"]
    assert "aborted" in markdown.results_table([aborted])


def test_a_warning_stands_with_the_number_of_results_and_probes_that_have_it(
    gathered: Gathered,
) -> None:
    notices = (Notice("hot", "it was <hot>", "let it cool"),)
    timed, *others = (one for one in gathered.summaries if one.decode_tps)
    asked, *unasked = gathered.probes
    warned = replace(
        gathered,
        summaries=(replace(timed, run=replace(timed.run, notices=notices)), *others),
        probes=(replace(asked, run=replace(asked.run, notices=notices)), *unasked),
    )
    made = page.contents(replace(warned, rows=tuple(map(row, warned.summaries))), [], "x")
    html = rendered(markdown.text(made))
    assert "it was &lt;hot&gt;; let it cool (2 results)" in html
    assert "<li>warning: it was &lt;hot&gt;; let it cool</li>" in html
    (item,) = (item for model in made.models for item in model.items if item.warnings)
    assert item.line.run == timed.run.run_id


def test_warnings_of_a_kind_are_one_with_the_figures_of_the_newest(gathered: Gathered) -> None:
    newest, *others = sorted(
        (one for one in gathered.summaries if one.decode_tps),
        key=lambda one: one.run.created_utc,
        reverse=True,
    )
    warned = [
        replace(one, run=replace(one.run, notices=(Notice("load", f"load {load}", "wait"),)))
        for load, one in enumerate([newest, *others[:2]], 1)
    ]
    made = replace(gathered, summaries=(*reversed(warned), *others[2:]), probes=())
    text = markdown.text(page.contents(replace(made, rows=tuple(map(row, made.summaries))), [], ""))
    assert "- load 1; wait (newest of 3 results)" in text
    assert "- load 2" not in text


def test_the_first_row_is_the_standard_test_that_somebody_asked_for(gathered: Gathered) -> None:
    own = next(row for row in gathered.rows if row.test == "tg128" and not row.resident)
    late = "2027-01-01T00:00:00+00:00"
    claimed = replace(
        *(own,), run_id="claimed", created_utc=late, command="mlxbench claims run", decode_tps=1.0
    )
    short = replace(own, run_id="short", created_utc=late, generation_tokens=16, test="tg16")
    unsure = replace(own, run_id="unsure", created_utc=late, decode_tps_low=None)
    again = replace(own, run_id="again", created_utc=late)

    def first(*rows: ResultRow) -> str:
        (family,) = families(rows, {})
        (shown,) = plainest(family)
        return shown.run_id

    for worse in (claimed, short, unsure):
        assert first(own, worse) == first(worse, own) == own.run_id
    assert first(own, again) == "again"
    # What somebody asked for comes before a command's own rate, even the standard one.
    assert first(short, claimed) == "short"
    assert first(replace(unsure, command="mlxbench decode --model x"), claimed) == "unsure"
    assert first(short, unsure) == "unsure"


def test_published_figures_alone_make_no_row(gathered: Gathered) -> None:
    assert "published" not in markdown.results_table(gathered.rows)
    nothing = markdown.results_table([], {"a": (Reference("s", "e", "m", "w", 1.0),)})
    assert cells(nothing)[1:] == []


def test_a_table_goes_between_its_markers_and_replaces_the_old_one() -> None:
    begin, end = markdown.MARKERS
    once = markdown.between_markers(f"head\n\n{begin}\nold\n{end}\ntail\n", "| new |\n")
    assert once == f"head\n\n{begin}\n| new |\n{end}\ntail\n"
    assert markdown.between_markers(once, "| new |\n") == once
    for wrong in ("nothing", begin, f"{end}{begin}"):
        with pytest.raises(InputError, match="no place"):
            markdown.between_markers(wrong, "| new |")


def test_the_templates_lie_in_the_package() -> None:
    folder = Path(page.__file__).parent
    for name in ("page.html.jinja", "report.md.jinja", "style.css"):
        assert (folder / name).is_file()
