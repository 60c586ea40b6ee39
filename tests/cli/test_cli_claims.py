"""`mlxbench claims` as people and scripts see it, measured for real on the tiny mixture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxbench.claims import CLAIMS
from mlxbench.measure.comparing import compare
from mlxbench.store import Store
from tests.cli.conftest import Invoke
from tests.cli.invoke import Outcome, environment

NAMES = [claim.name for claim in CLAIMS]
QUICK = ("--budget", "0.05")


def document(outcome: Outcome) -> Any:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_the_list_says_what_the_note_and_the_source_say(mlxbench: Invoke) -> None:
    shown = mlxbench("claims", "list")
    assert shown.code == 0
    assert all(f"{name}: " in shown.out for name in NAMES)
    assert max(map(len, shown.out.splitlines())) <= 80
    found = document(mlxbench("claims", "list", "--json"))
    assert [one["name"] for one in found["claims"]] == NAMES
    assert {"claim", "published", "source_says", "experiment"} <= found["claims"][0].keys()


def test_all_claims_are_tested_on_the_tiny_mixture_and_kept_as_comparisons(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    db = tmp_path / "r.sqlite"
    command = ("claims", "run", "--model", "tiny-moe", "-d", "32", "-p", "64", *QUICK)
    outcome = mlxbench(*command, "--db", str(db), "--json")
    found = document(outcome)
    assert [one["name"] for one in found["claims"]] == NAMES
    words = {"supported", "not supported", "inconclusive"}
    assert {one["verdict"] for one in found["claims"]} <= words
    assert all(one["failure"] is None and one["sentence"] for one in found["claims"])
    assert all(one["n"] >= 4 for one in found["claims"] if one["effect"] is not None)
    assert "measured on a CPU: an answer for this CPU" in found["backend_note"]
    assert found["machine"]
    with Store.open(db, create=False) as store:
        for one in found["claims"]:
            assert one["comparisons"]
            assert {store.comparison(each).status for each in one["comparisons"]} == {"done"}
    said = outcome.err.splitlines()
    assert said.index(next(line for line in said if "8 claims in 10 comparisons" in line)) < min(
        number for number, line in enumerate(said) if line.startswith("loading")
    )


def test_the_table_shows_what_does_not_apply_and_where_it_was_measured(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    chosen = ("router-fusion", "decoding", "experts")
    command = ("claims", "run", *chosen, "--model", "tiny-dense", *QUICK, "--probe")
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 80
    (router,) = [line for line in lines if line.startswith("router-fusion ")]
    assert "does not apply" in router
    assert "a dense model has no router." in " ".join(outcome.out.split())
    assert "not for the lab note's M3 Ultra" in " ".join(outcome.out.split())
    assert "random weights fail every poem" in outcome.err


def test_an_experiment_that_cannot_be_measured_is_a_row_and_an_exit_code(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.measure.memory.usable_bytes", lambda: 1_000_000)
    monkeypatch.setattr("mlxbench.measure.comparing.usable_bytes", lambda: 1_000_000)
    command = ("claims", "run", "decoding", "--model", "tiny-dense", *QUICK, "--json")
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 1
    (one,) = json.loads(outcome.out)["claims"]
    assert (one["verdict"], one["effect"], one["n"]) == ("not measured", None, 0)
    assert "tiny-dense needs about" in one["sentence"]


def test_an_interrupt_shows_and_keeps_what_was_measured(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "r.sqlite"

    def interrupted(*arguments: Any) -> str:
        with Store.open(db, create=False) as store:
            if list(store.comparison_ids()):
                raise KeyboardInterrupt
        return compare(*arguments)

    monkeypatch.setattr("mlxbench.cli.claims_run.compare", interrupted)
    command = ("claims", "run", "decoding", "bytes-model", "--model", "tiny-dense", *QUICK)
    outcome = mlxbench(*command, "--db", str(db))
    assert outcome.code == 130
    assert "decoding: There are no beams to prune" in outcome.out
    assert "bytes-model" not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope", "--model", "tiny-moe"), "no claim named 'nope'; use router-fusion, sdpa"),
        (("--model", "tinymoe"), "tinymoe"),
        ((), "Missing option '--model'"),
        (("--model", "tiny-moe", "--budget", "0"), "--budget"),
        (("--model", "tiny-moe", "-d", "deep"), "whole numbers from 0"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    mlxbench: Invoke, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("claims", "run", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_help_and_the_list_import_no_mlx(tmp_path: Path) -> None:
    watch = (
        "import sys; from mlxbench.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'mlx', 'mlx_lm', 'matplotlib'} & sys.modules.keys()), file=sys.stderr)"
    )
    for arguments in (("claims", "list"), ("claims", "list", "--json"), ("claims", "run", "-h")):
        done = subprocess.run(
            [sys.executable, "-c", watch, *arguments],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.splitlines()[-1] == "[]"
