"""`mlxbench probe experts` on the tiny mixture: logs, and the test of what they show."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.cli.invoke import Outcome

Invoke = Callable[..., Outcome]
FEW = ("--poems", "4", "--token-budget", "4")


def test_the_log_counts_every_choice_of_every_layer(mlxbench: Invoke, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    command = ("probe", "experts", "--model", "tiny-moe", "-o", str(log), *FEW)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"), "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)["experts"]
    assert found["arms"] == []
    assert len(found["found"]) == len(found["random"]) > 0
    counts: dict[tuple[str, str], int] = defaultdict(int)
    shares: dict[tuple[str, str], float] = defaultdict(float)
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            counts[row["item"], row["layer"]] += int(row["count"])
            shares[row["item"], row["layer"]] += float(row["share"])
    items = {item for item, _ in counts}
    assert len(items) == 8  # four poems and the same lines shuffled
    assert all(abs(total - 1) < 1e-4 for total in shares.values())
    for item in items:
        assert len({total for (named, _), total in counts.items() if named == item}) == 1


def test_found_experts_are_scored_on_poems_that_they_were_not_found_on(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("probe", "experts", "--model", "tiny-moe", "--discover", "3", *FEW)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"), "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)["experts"]
    assert [arm["arm"] for arm in found["arms"]] == [
        *("as it is", "zero biases"),
        *("found, promoted", "found, banned"),
        *("random, promoted", "random, banned"),
    ]
    assert {arm["samples"] for arm in found["arms"]} == {2}  # the other half of four
    assert found["identity"] is True
    chosen = {(one["layer"], one["expert"]) for one in found["found"]}
    controls = {(one["layer"], one["expert"]) for one in found["random"]}
    assert len(chosen) == len(controls) == 3
    assert not chosen & controls


def test_a_dense_model_has_no_experts_to_log(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "experts", "--model", "tiny-dense", *FEW)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 2
    assert "no routers" in outcome.err


def test_a_log_that_cannot_be_written_is_said_before_anything_is_loaded(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("probe", "experts", "--model", "tiny-moe", "-o", str(tmp_path / "no" / "log.csv"))
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 2
    assert "cannot write" in outcome.err
    assert "loading" not in outcome.err
