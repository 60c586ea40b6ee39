"""`mlxbench claims` as people and scripts see it, measured for real on the tiny mixture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxbench.claims import CLAIMS, Claim
from mlxbench.cli import claims_run
from mlxbench.measure.comparing import compare
from mlxbench.store import Store
from tests.cli.conftest import Invoke
from tests.cli.invoke import Outcome, environment
from tests.lab.other_families import FAMILIES, made

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
    sdpa = found["claims"].pop(1)
    assert (sdpa["name"], sdpa["verdict"], sdpa["n"]) == ("sdpa", "does not apply", 0)
    assert "no fused attention on a CPU" in sdpa["sentence"]
    words = {"supported", "not supported", "inconclusive"}
    assert {one["verdict"] for one in found["claims"]} <= words
    assert all(one["failure"] is None and one["sentence"] for one in found["claims"])
    assert all(one["n"] >= 4 for one in found["claims"] if one["effect"] is not None)
    assert "measured on a CPU: an answer for this CPU" in found["backend_note"]
    assert found["machine"]
    assert found["synthetic"] is True
    with Store.open(db, create=False) as store:
        for one in found["claims"]:
            assert one["comparisons"]
            assert {store.comparison(each).status for each in one["comparisons"]} == {"done"}
        (rate,) = found["claims"][1]["runs"]
        assert store.run(rate).arm.target.model == "tiny-moe"
    shown = mlxbench("results", "list", "--db", str(db)).out
    exported = mlxbench("results", "export", "--every-run", "--db", str(db)).out
    assert rate in exported
    assert not any(word in shown + exported for word in ("dependent", "chain"))
    launches = mlxbench("results", "show", found["claims"][1]["comparisons"][0], "--db", str(db))
    assert "launches/s" in launches.out
    assert "tok/s" not in launches.out


def test_what_it_takes_is_said_before_anything_is_made(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.cli.claims_run._tested", stopped)
    claims = ("precision", "bytes-model", "prefill-step", "launch-latency")
    db = ("--db", str(tmp_path / "r.sqlite"))
    monkeypatch.setenv("MLXBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("mlxbench.cli.claims_announcing.cache_directory", lambda: tmp_path / "new")
    outcome = mlxbench("claims", "run", *claims, "--model", "tiny-moe", *QUICK, *db)
    assert outcome.code == 130
    (named, variants) = [line for line in outcome.err.splitlines() if line.startswith("to be made")]
    place = f"to be made of random weights in {tmp_path / 'new' / 'synthetic'}, "
    assert named.startswith(place)
    assert variants.startswith(place)
    names = [
        part.split()[0] for part in variants.removeprefix(place).partition(": ")[2].split(", ")
    ]
    assert names == [
        *("tiny-moe", "tiny-moe-5bit", "tiny-moe-6bit", "tiny-moe-8bit", "tiny-moe-unquantised"),
        *("tiny-moe-2l", "tiny-moe-1l"),
    ]
    (line,) = [line for line in outcome.err.splitlines() if " comparisons" in line]
    # Decoding and a prompt of 16 in two steps each, one of 512 in two; five trials of each. Every
    # one of the eight models of the two others reads its prompt of 32 once.
    read = 5 * (2 * 16 + 2 * 16 + 2 * 512) + 8 * 32
    assert line.startswith("4 claims in 6 comparisons and 1 rate: ")
    assert f"at least {read:,} prompt tokens to read" in line, line


def stopped(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_replies_are_announced_as_a_probe_announces_them(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.cli.claims_run._tested", stopped)
    monkeypatch.setattr("mlxbench.cli.claims_run._random", lambda _: False)
    command = ("claims", "run", "experts", "decoding", "--model", "tiny-moe", *QUICK, "--probe")
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    asked = [line for line in outcome.err.splitlines() if " of at most " in line]
    assert [line.partition(" probe")[0] for line in asked] == [
        *("tiny-moe (as it is)", "tiny-moe (8 experts)", "tiny-moe (greedy)")
    ]
    assert "20 replies of at most 16,384 tokens" in asked[0]
    assert "1 reply of" in asked[2]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_model_of_another_family_has_a_table_too(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr("mlxbench.lab.ablations.fuses_attention", lambda: True)
    model = made(family, tmp_path / family)
    command = ("claims", "run", "sdpa", "launch-latency", "--model", str(model), "-d", "32")
    outcome = mlxbench(*command, *QUICK, "--db", str(tmp_path / "r.sqlite"), "--json")
    sdpa, launches = document(outcome)["claims"]
    assert (sdpa["failure"], launches["failure"]) == (None, None)
    assert sdpa["n"] >= 4
    assert len(sdpa["comparisons"]) == 1  # without the blocks
    assert "the model's kernels could not be counted" in launches["sentence"]


def test_a_bug_in_one_claim_takes_no_other_claims_result_along(
    mlxbench: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = claims_run._tested

    def broken(claim: Claim, bench: Any) -> Any:
        if claim.name == "bytes-model":
            raise AttributeError("a bug")
        return real(claim, bench)

    monkeypatch.setattr("mlxbench.cli.claims_run._tested", broken)
    command = ("claims", "run", "router-fusion", "bytes-model", "--model", "tiny-dense", *QUICK)
    with pytest.raises(AttributeError):
        mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert "a dense model has no router" in capsys.readouterr().out


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


def test_where_no_claim_applies_the_reason_is_said_and_nothing_is_announced(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("claims", "run", "router-fusion", "--model", "tiny-dense", *QUICK)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 0
    first, *_ = outcome.err.splitlines()
    assert first == "nothing to measure here: router-fusion: a dense model has no router"
    assert "comparison" not in outcome.err
    assert "does not apply" in outcome.out


def test_one_claim_is_announced_as_one(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.cli.claims_run._tested", stopped)
    command = ("claims", "run", "decoding", "--model", "tiny-dense", *QUICK)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert "1 claim in 1 comparison: about" in outcome.err


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
        (("router-fussion", "--model", "tiny-moe"), "; did you mean router-fusion? use "),
        (
            ("launch-latency", "--model", "tiny-moe", "-d", "32"),
            "--depth changes nothing about launch-latency; leave it out, or test sdpa as well",
        ),
        (("sdpa", "bytes-model", "--model", "tiny-moe", "-p", "64"), "sdpa, bytes-model; leave"),
        (("sdpa", "--model", "tiny-moe", "--probe"), "test experts or precision or decoding as"),
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
