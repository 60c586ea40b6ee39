"""`mlxbench kernels`: a new experiment goes through every command without editing another file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invoke import Outcome

Invoke = Callable[..., Outcome]


@pytest.fixture
def own(mlxbench: Invoke, tmp_path: Path) -> tuple[str, ...]:
    folder = tmp_path / "kernels"
    assert mlxbench("kernels", "new", "mine", "--kernels", str(folder)).code == 0
    return ("--kernels", str(folder))


def document(outcome: Outcome, code: int = 0) -> Any:
    assert outcome.code == code, outcome.err
    return json.loads(outcome.out)


def test_a_new_experiment_is_listed_beside_ours(mlxbench: Invoke, own: tuple[str, ...]) -> None:
    names = [
        one["name"] for one in document(mlxbench("kernels", "list", *own, "--json"))["kernels"]
    ]
    assert {"mine", "softmax_topk", "moe_experts"} <= set(names)
    assert "mine" in mlxbench("kernels", "list", *own).out


def test_a_new_experiment_passes_its_check_and_fails_it_after_one_character(
    mlxbench: Invoke, own: tuple[str, ...]
) -> None:
    checks = document(mlxbench("kernels", "check", "mine", *own, "--json"))["checks"]
    assert all(one["passed"] for one in checks)
    assert checks[0].keys() >= {
        *("kernel", "backend", "case", "dtype", "passed", "max_error", "tolerance", "finding")
    }
    assert checks[0]["backend"].startswith("msl-cpu (")
    source = Path(own[1]) / "mine" / "kernel.metal"
    source.write_text(source.read_text().replace("1.0f +", "1.0f *"))
    broken = document(mlxbench("kernels", "check", "mine", *own, "--json"), code=1)["checks"]
    assert not all(one["passed"] for one in broken)
    assert "failed: mine" in mlxbench("kernels", "check", "mine", *own).out


def test_a_new_experiment_is_benched_where_it_can_be(
    mlxbench: Invoke, own: tuple[str, ...], tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"), "--budget", "1")
    made = document(mlxbench("kernels", "bench", "mine", *own, *db, "--json"))
    assert made["kernel"] == "mine"
    assert made["measured_bandwidth"] > 0
    assert made["verified_by"].startswith("msl-cpu (")
    assert made["ways"] == []  # nothing to compare: ours runs watched only, and has no baseline


def test_what_fails_its_check_is_not_timed(
    mlxbench: Invoke, own: tuple[str, ...], tmp_path: Path
) -> None:
    source = Path(own[1]) / "mine" / "kernel.metal"
    source.write_text(source.read_text().replace("1.0f +", "1.0f *"))
    outcome = mlxbench("kernels", "bench", "mine", *own, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 1
    assert "mine fails its check" in outcome.err


def test_plain_tricks_and_baselines_are_timed_on_a_cpu_too(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("kernels", "bench", "softmax_topk", "--budget", "1")
    made = document(mlxbench(*command, "--db", str(tmp_path / "r.sqlite"), "--json"))
    assert [way["way"] for way in made["ways"]] == ["stock", "top-k of the logits first"]
    for way in made["ways"]:
        assert way["us"] > 0
        assert way["gb_per_s"] > 0
        assert way["n"] >= 1
    assert made["comparison"]["ratio"]["value"] > 0
    assert made["predicted_ratio"] == [1.025, 1.05]


def test_kernels_are_tried_in_the_model_one_by_one_and_together(
    mlxbench: Invoke, own: tuple[str, ...], tmp_path: Path
) -> None:
    command = ("kernels", "decode", "--model", "tiny-moe", "--with", "softmax_topk,mine", *own)
    found = document(mlxbench(*command, "--db", str(tmp_path / "r.sqlite"), "--json"))
    assert [one["kernels"] for one in found["sets"]] == [
        *(["softmax_topk"], ["mine"], ["softmax_topk", "mine"])
    ]
    assert [one["token_agreement"] for one in found["sets"]] == [1.0, 1.0, 1.0]
    layers = 4
    assert found["sets"][0]["calls"] == {"softmax_topk": 8 * layers}
    together = {"softmax_topk": 8 * layers, "mine": 8 * layers}
    assert (found["calls"], found["token_agreement"]) == (together, 1.0)
    assert found["predicted_ratio"] == [1.025, 1.05]
    assert found["comparison"] is None  # what the CPU runner verifies it does not time


def test_a_plain_trick_is_timed_in_the_model_beside_its_prediction(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("kernels", "decode", "--model", "tiny-moe", "--with", "cached_lhs_indices")
    settings = ("-g", "4", "--budget", "1", "--oracle", "--db", str(tmp_path / "r.sqlite"))
    found = document(mlxbench(*command, *settings, "--json"))
    (one,) = found["sets"]
    assert one["measured_ratio"]["value"] > 0
    assert isinstance(one["mismatch"], bool)
    assert len(found["comparison"]["arms"]) == 3  # stock, the trick, the oracle


def test_a_kernel_that_is_never_called_is_said(
    mlxbench: Invoke, own: tuple[str, ...], tmp_path: Path
) -> None:
    experiment = Path(own[1]) / "mine" / "experiment.py"
    experiment.write_text(experiment.read_text().replace("        called()\n", ""))
    command = ("kernels", "decode", "--model", "tiny-moe", "--with", "mine", *own)
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 1
    assert "was called 0 times, not 32" in outcome.err


def test_a_dense_model_is_refused_by_a_mixtures_kernel(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("kernels", "decode", "--model", "tiny-dense", "--with", "softmax_topk")
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "nope"), "no experiment named 'nope'; use one of "),
        (("check", "softmax_tpk"), "no experiment named 'softmax_tpk'; did you mean softmax_topk?"),
        (("bench", "mine"), "or name the folder of your own with --kernels"),
        (("check", "softmax_topk", "--backend", "metal"), "no Metal on this machine"),
        (("check", "softmax_topk", "--backend", "cuda"), "no CUDA device"),
        (("list", "--kernels", "/nowhere"), "is no folder"),
        (("new", "Bad-Name"), "cannot name an experiment"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    mlxbench: Invoke, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("kernels", *arguments)
    assert outcome.code == 2, outcome.err
    assert said in outcome.err
