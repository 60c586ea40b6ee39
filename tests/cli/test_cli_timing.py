"""`decode` and `prefill` from the command line to the store and back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxbench.lock import accelerator_lock
from mlxbench.records import SCHEMA_VERSION
from mlxbench.store import Store
from tests.cli.invoke import Outcome, run
from tests.loopback_hub import LoopbackHub

Invoke = Callable[..., Outcome]
QUICK = ("-p", "20", "-r", "2", "--warmup", "1")


def document(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    loaded = json.loads(outcome.out)
    assert isinstance(loaded, dict)
    return loaded


def test_decode_prints_the_document_that_scripts_rely_on(mlxbench: Invoke, tmp_path: Path) -> None:
    found = document(
        mlxbench(
            *("decode", "--model", "tiny-moe", *QUICK, "-g", "6", "-d", "9", "-b", "2"),
            *("--json", "--db", str(tmp_path / "r.sqlite")),
        )
    )
    (result,) = found["results"]
    assert found["schema_version"] == SCHEMA_VERSION
    assert (result["model"], result["engine"], result["synthetic"]) == ("tiny-moe", "mlx", True)
    assert result["workload"] == {
        "kind": "decode",
        "prompt_tokens": 20,
        "generation_tokens": 6,
        "depth": 9,
        "batch_size": 2,
        "mode": "pipelined",
    }
    rate = result["decode_tps"]
    assert rate["n"] == 2
    assert rate["low"] < rate["value"]
    assert result["ttft_s"] is None
    assert result["native"]["decode_tps"] > rate["value"]
    assert result["peak_memory_bytes"] > 0
    assert isinstance(result["warnings"], list)
    with Store.open(tmp_path / "r.sqlite") as store:
        stored = store.run(result["run_id"])
    assert [record.phase for record in stored.trials] == ["warmup", "measured", "measured"]
    assert stored.status == "done"
    assert stored.checkpoint is not None
    assert stored.checkpoint.bits_per_weight == pytest.approx(5.02, abs=0.01)


def test_prefill_knows_ttft_and_the_kv_time(mlxbench: Invoke) -> None:
    (result,) = document(mlxbench("prefill", "--model", "tiny-dense", *QUICK, "--json"))["results"]
    assert "decode_tps" not in result
    assert result["workload"]["kind"] == "prefill"
    assert 20 / result["ttft_s"]["value"] == pytest.approx(result["prefill_tps"]["value"], rel=0.01)
    assert result["prefill_kv_s"]["value"] < result["ttft_s"]["value"]


def test_lists_expand_to_their_product_and_one_load(mlxbench: Invoke) -> None:
    outcome = mlxbench(
        *("decode", "--model", "tiny-moe,tiny-dense", "-p", "8,16", "-g", "3", "-d", "0,4"),
        *("-r", "1", "--warmup", "0", "--json"),
    )
    results = document(outcome)["results"]
    shapes = [(r["model"], r["workload"]["depth"], r["workload"]["prompt_tokens"]) for r in results]
    assert shapes == [
        (model, depth, prompt)
        for model in ("tiny-moe", "tiny-dense")
        for depth in (0, 4)
        for prompt in (8, 16)
    ]
    assert outcome.err.count("loading tiny-moe") == 1


def test_a_person_sees_a_table_of_80_columns_with_interval_n_and_conditions(
    mlxbench: Invoke,
) -> None:
    outcome = mlxbench("decode", "--model", "tiny-moe", *QUICK, "-g", "6")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    for expected in (
        "tiny-moe (synthetic)",
        "tg6",
        "21–25",
        "95 % interval",
        "bits/weight",
        "mlx ",
    ):
        assert expected in outcome.out
    assert "loading tiny-moe" in outcome.err


def test_stepped_mode_gives_latencies_only_where_there_are_enough(mlxbench: Invoke) -> None:
    arguments = ("decode", "--model", "tiny-dense", "-p", "4", "--mode", "stepped", "--warmup", "0")
    few = mlxbench(*arguments, "-g", "4", "-r", "1")
    said = r"ITL \(n = 3, as good as [0-3] independent gaps\): p50 needs 6, p90 needs 36, p99 needs"
    assert re.search(f"{said} 368", " ".join(few.out.split()))
    many = document(mlxbench(*arguments, "-g", "60", "-r", "2", "--json"))["results"][0]
    assert many["itl_p50_s"]["n"] == 118
    assert many["itl_p99_s"] is None


def test_a_local_directory_is_a_model(mlxbench: Invoke, tiny_dense: Path) -> None:
    outcome = mlxbench("decode", "--model", str(tiny_dense), *QUICK, "-g", "3", "--json")
    (result,) = document(outcome)["results"]
    assert (result["model"], result["synthetic"]) == (tiny_dense.name, True)


def test_a_repository_on_a_hub_is_fetched_once_and_measured(tiny_moe: Path, tmp_path: Path) -> None:
    with LoopbackHub(tiny_moe, repository="acme/tiny-moe-4bit") as hub:
        variables = hub.environment(tmp_path)
        arguments = ("decode", "--model", "hf:acme/tiny-moe-4bit", *QUICK, "-g", "3", "--json")
        first = run(tmp_path, *arguments, variables=variables)
        (result,) = document(first)["results"]
        assert "downloading acme/tiny-moe-4bit" in first.err
        again = run(tmp_path, *arguments, variables=variables)
        assert "downloading" not in again.err
    with Store.open(tmp_path / "mlxbench" / "results.sqlite") as store:
        checkpoint = store.run(result["run_id"]).checkpoint
    assert checkpoint is not None
    assert (checkpoint.repository, checkpoint.revision) == ("acme/tiny-moe-4bit", hub.commit)


def test_real_shapes_are_measured_with_random_weights(mlxbench: Invoke) -> None:
    arguments = ("--synthetic", "--layers", "1", "-p", "4", "-g", "2", "-r", "1", "--warmup", "0")
    outcome = mlxbench("decode", "--model", "qwen3-0.6b", *arguments, "--json")
    (result,) = document(outcome)["results"]
    assert (result["model"], result["synthetic"]) == ("qwen3-0.6b-1l", True)


def test_the_lab_notes_workload_stands_beside_its_figures(mlxbench: Invoke, tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    models.write_text(
        '[[model]]\nname = "tiny-moe"\n[[model.references]]\nsource = "made up"\nengine = "x"\n'
        'machine = "y"\nworkload = "lab-note"\ndecode_tps = 72.1\nprobe = "FAIL"\n'
    )
    outcome = mlxbench(
        *("decode", "--model", "tiny-moe", "--workload", "lab-note"),
        *("--models-file", str(models)),
    )
    assert outcome.code == 0, outcome.err
    (row,) = [line for line in outcome.out.splitlines() if line.startswith("tiny-moe")]
    assert "72.1" in row
    assert "FAIL" in row


def test_a_second_mlxbench_leaves_with_75_and_names_the_first(
    mlxbench: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    with accelerator_lock():
        monkeypatch.setenv("MLXBENCH_LOCK_HOLDER", "somebody else")
        outcome = mlxbench("decode", "--model", "tiny-moe", *QUICK, "-g", "3")
    assert outcome.code == 75
    assert outcome.err.count("\n") == 1


def test_a_model_that_does_not_fit_is_refused_before_loading(mlxbench: Invoke) -> None:
    outcome = mlxbench("decode", "--model", "tiny-moe", "-d", "9000000", "-b", "64")
    assert outcome.code == 2
    assert "GiB are usable" in outcome.err
    assert "--depth" in outcome.err
    assert "loading" not in outcome.err


def test_an_unwritable_store_is_found_before_loading(mlxbench: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = mlxbench("decode", "--model", "tiny-moe", "--db", str(tmp_path / "file" / "x.sqlite"))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "loading" not in outcome.err


def test_a_failed_measurement_leaves_with_1_and_says_why(
    mlxbench: Invoke, tiny_moe: Path, tmp_path: Path
) -> None:
    """Weights that are all NaN load well and must not give a rate."""
    import mlx.core as mx

    broken = Path(shutil.copytree(tiny_moe, tmp_path / "broken"))
    file = broken / "model.safetensors"
    weights = mx.load(str(file))
    assert isinstance(weights, dict)
    norm = weights["model.norm.weight"]
    weights["model.norm.weight"] = mx.full(norm.shape, float("nan"), norm.dtype)
    mx.save_safetensors(str(file), weights, metadata={"format": "mlx"})
    outcome = mlxbench("decode", "--model", str(broken), *QUICK, "-g", "3")
    assert outcome.code == 1
    assert "failed" in outcome.out
    assert "NaN" in outcome.err


def test_resident_models_are_measured_alone_and_together(mlxbench: Invoke) -> None:
    arguments = ("--model", "tiny-moe,tiny-dense", "--resident", "-p", "8", "-g", "4")
    found = document(mlxbench("decode", *arguments, "-r", "3", "--warmup", "0", "--json"))
    memory = {
        (result["model"], bool(result["resident"])): result["predicted_memory_bytes"]
        for result in found["results"]
    }
    alone = [memory[model, False] for model in ("tiny-moe", "tiny-dense")]
    assert [memory[model, True] for model in ("tiny-moe", "tiny-dense")] == [sum(alone)] * 2
    together = [result for result in found["results"] if result["resident"]]
    weights = 5_800_000 + 3_300_000  # bytes, as both checkpoints are listed
    assert all(0.9 * weights < result["peak_memory_bytes"] < sum(alone) for result in together)
    assert [entry["resident"] for entry in found["residency"]] == [["tiny-dense"], ["tiny-moe"]]
    assert all(entry["ratio"]["value"] > 0 for entry in found["residency"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "tiny-moe"), "needs two models"),
        (("--model", "tiny-moe,tiny-moe"), "needs two models"),
        (("--model", "a,b", "--engine", "ollama"), "ollama holds its own"),
        (("--model", "a,b", "--workload", "lab-note"), "--resident is fixed by --workload"),
    ],
)
def test_resident_is_refused_where_it_means_nothing(
    mlxbench: Invoke, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("decode", *arguments, "--resident")
    assert outcome.code == 2
    assert said in outcome.err
