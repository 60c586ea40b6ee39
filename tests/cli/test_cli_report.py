"""`results report`: the files it leaves, what it says where it cannot, and a real run in it."""

from __future__ import annotations

import csv
import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxbench.report import page
from mlxbench.report.gathering import gather
from mlxbench.report.page import files
from mlxbench.report.rows import COLUMNS
from mlxbench.store import Store
from tests.cli.invoke import Outcome
from tests.report import plot_week

Invoke = Callable[..., Outcome]


@pytest.fixture
def stored(tmp_path: Path) -> str:
    """A store with two models and a comparison."""
    path = tmp_path / "results.sqlite"
    with Store.open(path) as store:
        for run in plot_week.decode_runs()[:2]:
            store.add_run(run)
        for run in plot_week.small_runs()[:1]:
            store.add_run(run)
        made, runs = plot_week.comparisons()[1]
        for run in runs:
            store.add_run(run)
        store.add_comparison(made)
    return str(path)


def test_a_report_is_a_page_markdown_rows_and_pictures(
    mlxbench: Invoke, stored: str, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "report"
    done = mlxbench("results", "report", "--db", stored, "-o", str(folder), "--title", "My <Mac>")
    assert (done.code, done.err) == (0, "")
    written = [Path(line) for line in done.out.splitlines()]
    assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix() for path in written}
    assert {"report.html", "report.md", "results.csv", "plots/decode-by-model.png"} <= names
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert {row["model"] for row in rows} == {"qwen3-30b-a3b", "tiny-moe"}
    assert "My &lt;Mac&gt;" in (folder / "report.html").read_text()
    markdown = (folder / "report.md").read_text()
    assert markdown.startswith("# My \\<Mac\\>\n")
    for picture in (folder / "plots").iterdir():
        assert f"(plots/{picture.name})" in markdown
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width > 1000
        assert height > 200


def test_the_same_store_gives_the_same_page_and_touches_nothing_else(
    mlxbench: Invoke, stored: str, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    command = ("results", "report", "--db", stored, "-o", str(folder), "--model", "tiny-moe")
    first = json.loads(mlxbench(*command, "--json").out)["report"]
    assert first["directory"] == str(folder)
    before = {name: Path(name).read_bytes() for name in first["files"]}
    note = folder / "note.txt"
    note.write_text("mine")
    assert mlxbench(*command).code == 0
    assert {name: Path(name).read_bytes() for name in first["files"]} == before
    assert note.read_text() == "mine"
    assert len(list(folder.rglob("*"))) == len(before) + 2  # the note and the folder of plots


def test_plots_of_an_earlier_report_that_this_one_lacks_are_removed(
    mlxbench: Invoke, stored: str, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    command = ("results", "report", "--db", stored, "-o", str(folder))
    assert mlxbench(*command).code == 0
    before = {path.name for path in (folder / "plots").iterdir()}
    mine = [folder / "plots" / "mine.png", folder / "probe.png", folder / "plots" / "probe.svg"]
    for path in mine:
        path.write_text("mine")
    assert mlxbench(*command, "--model", "tiny-moe").code == 0
    after = {path.name for path in (folder / "plots").iterdir()} - {path.name for path in mine}
    assert "ratios.png" in before - after
    markdown = (folder / "report.md").read_text()
    assert after == {name for name in before if f"(plots/{name})" in markdown}
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)


def test_a_file_where_plots_would_lie_is_left_alone_by_a_report_without_any(
    stored: str, tmp_path: Path
) -> None:
    (tmp_path / "plots").write_text("mine")
    with Store.open(Path(stored)) as store:
        gathered = gather(store, {})
    made = page.contents(gathered, [], "x")
    assert len(files.write(tmp_path, made, gathered.rows)) == 3
    assert (tmp_path / "plots").read_text() == "mine"


def test_a_report_is_about_the_models_and_days_that_were_asked_for(
    mlxbench: Invoke, stored: str, tmp_path: Path
) -> None:
    folder = str(tmp_path / "report")
    command = ("results", "report", "--db", stored, "-o", folder)
    assert mlxbench(*command, "--model", "tiny-moe", "--since", "2026-11-20").code == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "tiny-moe" in page
    assert "qwen3-30b-a3b" not in page
    assert "Comparisons" not in page
    for options, said in (
        (
            ("--model", "qwen3-30b"),
            "no results of a model 'qwen3-30b'; there are some of qwen3-30b",
        ),
        (("--since", "2026-11-21"), "no results since 2026-11-21; give an earlier day"),
        (("--since", "yesterday"), "'yesterday' does not match"),
    ):
        refused = mlxbench(*command, *options)
        assert refused.code == 2
        assert said in refused.err
        assert refused.err.count("\n") == 1


def test_a_comparison_alone_makes_a_report(mlxbench: Invoke, tmp_path: Path) -> None:
    path = str(tmp_path / "results.sqlite")
    compared = mlxbench(
        *("compare", "sim:itl=0.0100,machine=quiet/2", "sim:itl=0.0099,machine=quiet/2"),
        *("--db", path, "--budget", "5"),
    )
    assert compared.code == 0, compared.err
    folder = tmp_path / "report"
    assert mlxbench("results", "report", "--db", path, "-o", str(folder)).code == 0
    text = (folder / "report.md").read_text()
    assert "## Comparisons" in text
    assert "## Models" not in text
    assert "mlxbench compare" in text


def test_where_nothing_was_measured_the_error_says_what_to_run(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "results.sqlite"
    folder = tmp_path / "report"
    missing = mlxbench("results", "report", "--db", str(path), "-o", str(folder))
    Store.open(path).close()
    empty = mlxbench("results", "report", "--db", str(path), "-o", str(folder))
    for refused in (missing, empty):
        assert refused.code == 2
        assert "mlxbench decode --model tiny-moe" in refused.err
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(
    mlxbench: Invoke, stored: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    folder = str(tmp_path / "file" / "report")
    refused = mlxbench("results", "report", "--db", stored, "--model", "tiny-moe", "-o", folder)
    assert refused.code == 2
    assert folder in refused.err
    assert "--output" in refused.err


def test_a_real_run_is_in_page_and_markdown_with_the_figures_of_the_terminal(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    path = str(tmp_path / "results.sqlite")
    measured = mlxbench(
        *("decode", "--model", "tiny-dense", "-p", "20", "-g", "8", "-r", "3", "--warmup", "1"),
        *("--db", path, "--json"),
    )
    (result,) = json.loads(measured.out)["results"]
    folder = tmp_path / "report"
    assert mlxbench("results", "report", "--db", path, "-o", str(folder)).code == 0
    rows = [line for line in (folder / "report.md").read_text().splitlines() if "tg8" in line]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[:2] == ["tiny-dense (synthetic)", "tg8"]
    assert float(cells[2]) == pytest.approx(result["decode_tps"]["value"], rel=1e-3)
    assert cells[4] == "3"
    assert f">{cells[2]}</td>" in (folder / "report.html").read_text()


def test_help_and_lists_load_no_plotting_library(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mlxbench.cli import cli\n"
        "cli.main(['results', 'report', '--help'], standalone_mode=False)\n"
        "print([name for name in ('matplotlib', 'mlx', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
