"""`models` and `results`: what is known, what is on the disk, what was measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxbench.report.rows import COLUMNS
from tests.cli.invoke import Outcome, run
from tests.loopback_hub import LoopbackHub

Invoke = Callable[..., Outcome]
QUICK = ("-p", "20", "-r", "2", "--warmup", "0")


@pytest.fixture
def measured(mlxbench: Invoke, tmp_path: Path) -> str:
    """A store with two runs of one setting and one of another."""
    path = str(tmp_path / "results.sqlite")
    for command in (("decode", "-g", "4"), ("decode", "-g", "4"), ("prefill",)):
        assert mlxbench(*command, "--model", "tiny-dense", *QUICK, "--db", path).code == 0
    return path


def test_models_list_names_every_model_with_its_size(mlxbench: Invoke) -> None:
    out = mlxbench("models", "list").out
    assert max(map(len, out.splitlines())) <= 80
    (line,) = [line for line in out.splitlines() if line.startswith("qwen3-30b-a3b")]
    assert "30.5 B" in line
    assert "17.18 GB" in line
    assert line.rstrip().endswith(" mlx-community/Qwen3-30B-A3B-4bit")


def test_models_list_never_breaks_a_name_and_says_the_size_that_is_made(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    long = "an-organisation/A-Model-235B-A22B-Instruct-2507-4bit-DWQ"
    own = tmp_path / "models.toml"
    own.write_text(f'[[model]]\nname = "mine"\nrepository = "{long}"\n')
    out = mlxbench("models", "list", "--models-file", str(own)).out
    assert max(map(len, out.splitlines())) <= 80
    assert f"  {long}" in out
    made = Path(mlxbench("models", "synth", "tiny-moe").out.strip())
    size = sum(path.stat().st_size for path in made.glob("*.safetensors")) / 1e6
    (line,) = [line for line in out.splitlines() if line.startswith("tiny-moe")]
    assert f"{size:.1f} MB" in line
    shown = mlxbench("models", "show", "tiny-moe", "--json").out
    assert json.loads(shown)["sizes"]["weight_bytes"] / 1e6 == pytest.approx(size, rel=1e-2)


def test_models_show_has_sizes_and_published_figures(mlxbench: Invoke) -> None:
    shown = mlxbench("models", "show", "qwen3-235b-a22b")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "23.3" in shown.out
    sizes = json.loads(mlxbench("models", "show", "qwen3-0.6b", "--json").out)["sizes"]
    assert sizes["kv_bytes_per_token"] == 112 * 1024


def test_models_synth_prints_the_directory_and_uses_it_again(mlxbench: Invoke) -> None:
    first = mlxbench("models", "synth", "tiny-moe", "--layers", "2")
    assert (Path(first.out.strip()) / "config.json").is_file()
    assert mlxbench("models", "synth", "tiny-moe", "--layers", "2").out == first.out


def test_models_pull_verify_and_list_local_agree(tiny_dense: Path, tmp_path: Path) -> None:
    with LoopbackHub(tiny_dense, repository="acme/tiny-4bit") as hub:
        variables = hub.environment(tmp_path)
        pulled = run(tmp_path, "models", "pull", "hf:acme/tiny-4bit", variables=variables)
        assert pulled.code == 0, pulled.err
        assert hub.commit in pulled.out
    offline = {**variables, "HF_HUB_OFFLINE": "1"}
    verified = run(tmp_path, "models", "verify", "hf:acme/tiny-4bit", variables=offline)
    assert verified.code == 0, verified.err + verified.out
    assert "sha256" in verified.out
    listed = run(tmp_path, "models", "list", "--local", "--json", variables=offline)
    assert "hf:acme/tiny-4bit" in {model["name"] for model in json.loads(listed.out)["local"]}
    weights = next((tmp_path).rglob("model.safetensors")).resolve()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    flipped = run(tmp_path, "models", "verify", "hf:acme/tiny-4bit", variables=offline)
    assert flipped.code == 1
    assert "BAD" in flipped.out


def test_results_list_shows_the_newest_first(mlxbench: Invoke, measured: str) -> None:
    out = mlxbench("results", "list", "--db", measured).out
    assert max(map(len, out.splitlines())) <= 80
    tests = [line.split()[2] for line in out.splitlines() if line.startswith("20")]
    assert tests == ["pp20", "tg4", "tg4"]
    assert "runs;" not in out
    shortened = mlxbench("results", "list", "--limit", "2", "--db", measured).out
    assert shortened.splitlines()[-1] == "2 of 3 runs; --limit 3 shows all"
    ambiguous = mlxbench("results", "show", "20", "--db", measured)
    assert ambiguous.code == 2
    assert "3 runs start with '20'; give more of it: 20" in " ".join(ambiguous.err.split())
    newest = json.loads(mlxbench("results", "list", "--limit", "1", "--json", "--db", measured).out)
    assert [r["workload"]["kind"] for r in newest["results"]] == ["prefill"]


def test_results_show_takes_the_start_of_an_id_and_lists_every_trial(
    mlxbench: Invoke, measured: str
) -> None:
    (result,) = json.loads(
        mlxbench("results", "list", "--limit", "1", "--json", "--db", measured).out
    )["results"]
    shown = mlxbench("results", "show", result["run_id"], "--db", measured)
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    assert shown.out.count("measured") == 2
    whole = json.loads(
        mlxbench("results", "show", result["run_id"], "--json", "--db", measured).out
    )
    assert len(whole["run"]["trials"]) == 2


def test_the_csv_has_one_row_per_setting_and_an_empty_column_for_the_probe(
    mlxbench: Invoke, measured: str
) -> None:
    exported = mlxbench("results", "export", "--db", measured).out
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["test"] for row in rows] == ["pp20", "tg4"]
    assert {row["probe_verdict"] for row in rows} == {""}
    every = mlxbench("results", "export", "--every-run", "--db", measured).out
    assert len(list(csv.DictReader(io.StringIO(every)))) == 3


def test_json_lines_and_markdown_carry_the_same_rows(
    mlxbench: Invoke, measured: str, tmp_path: Path
) -> None:
    lines = mlxbench("results", "export", "--format", "jsonl", "--db", measured).out.splitlines()
    assert [tuple(json.loads(line)) for line in lines] == [COLUMNS, COLUMNS]
    target = tmp_path / "table.md"
    mlxbench("results", "export", "--format", "md", "-o", str(target), "--db", measured)
    table = target.read_text().splitlines()
    assert len(table) == 4
    assert all(line.count("|") == table[0].count("|") for line in table)
    assert "tiny-dense (synthetic)" in table[2]
