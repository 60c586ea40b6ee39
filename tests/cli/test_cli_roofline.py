"""`mlxbench roofline`: from names, files and the store, without a download."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxbench import checkpoints, environment, roofline
from mlxbench.engines.mlx.tracing import count_kernels
from mlxbench.store import Store
from tests.cli.conftest import Invoke
from tests.cli.invoke import run
from tests.report.roofline_samples import TRUE, Sample, checkpoint_of, context_of, shape_of

MADE_UP = ("tiny-moe", "tiny-dense")
CONTRACT = {
    *("model", "params_total", "params_active", "bits_per_weight", "weight_bytes"),
    *("active_bytes", "kv_bytes_per_token", "kernels_per_token", "bandwidth", "ceilings"),
    "prediction",
}


def documents(mlxbench: Invoke, *arguments: str) -> Any:
    outcome = mlxbench("roofline", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["roofline"]


def test_a_model_that_is_not_on_this_disk_is_described_by_its_shape(mlxbench: Invoke) -> None:
    found = documents(
        mlxbench, "--model", "qwen3-30b-a3b", "--bandwidth", "819e9", "--depth", "0,4096"
    )
    assert found.keys() >= CONTRACT
    assert found["model"] == "qwen3-30b-a3b"
    assert found["params_total"] == 30_532_122_624
    assert found["active_bytes"] == roofline.active_bytes(shape_of("qwen3-30b-a3b"))
    assert found["kv_bytes_per_token"] == 96 * 1024
    assert found["kernels_per_token"] == 30 * 48 + 9
    assert found["bandwidth"] == 819e9
    assert [one["depth"] for one in found["ceilings"]] == [0, 4096]
    assert [round(one["tps"]) for one in found["ceilings"]] == [477, 386]
    assert found["prediction"] is None


def test_several_models_are_a_list_in_the_order_asked_for(mlxbench: Invoke) -> None:
    found = documents(mlxbench, "--model", "qwen3-4b,qwen3-0.6b,qwen3-4b", "--bandwidth", "1e11")
    assert [one["model"] for one in found] == ["qwen3-4b", "qwen3-0.6b"]


def test_a_directory_is_described_by_its_own_files(mlxbench: Invoke, tiny_moe: Path) -> None:
    found = documents(mlxbench, "--model", str(tiny_moe), "--bandwidth", "1e10")
    checkpoint = checkpoints.inspect(tiny_moe, "a", "directory")
    assert found["weight_bytes"] == checkpoint.weight_bytes
    assert found["bits_per_weight"] == pytest.approx(checkpoint.bits_per_weight)
    config = checkpoints.read_config(tiny_moe)
    assert found["kernels_per_token"] == count_kernels(config).metal
    assert found["kernels_per_token_here"] == count_kernels(config).here


def test_rates_measured_here_stand_beside_the_ceilings(mlxbench: Invoke, tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "results.sqlite"))
    sizes = ("-p", "16", "-g", "8", "-d", "0,256", "-r", "2", "--budget", "1")
    measured = mlxbench("decode", "--model", ",".join(MADE_UP), *sizes, *db, "--json")
    assert measured.code == 0, measured.err
    rates = {
        (one["model"], one["workload"]["depth"]): one["decode_tps"]["value"]
        for one in json.loads(measured.out)["results"]
    }
    found = documents(mlxbench, "--model", ",".join(MADE_UP), "--depth", "0", *db)
    for one in found:
        assert one["bandwidth_source"] == "measured now"
        assert one["bandwidth_low"] <= one["bandwidth"] <= one["bandwidth_high"]
        contexts = [point["context"] for point in one["measured"]]
        assert contexts == [16 + 4, 256 + 16 + 4]
        expected = [rates[one["model"], depth] for depth in (0, 256)]
        assert [point["tps"] for point in one["measured"]] == pytest.approx(expected)
        assert all(point["n"] == 2 for point in one["measured"])
    shown = mlxbench("roofline", "--model", "tiny-moe", "--bandwidth", "1e10", *db)
    assert shown.code == 0
    # Whether four rates of a busy CPU determine a fit, nobody knows; that is said either way.
    said = " ".join(shown.out.split())
    assert "fitted to 4 runs of 2 models" in said or "(n = 4)" in said


def test_stored_rates_that_obey_two_constants_predict_a_model_never_run(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    here = environment.collect()
    store_path = tmp_path / "results.sqlite"
    with Store.open(store_path) as store:
        for name in ("qwen3-0.6b", "qwen3-4b"):
            for depth in (0, 4096):
                kernels = _kernels_here(name, depth)
                sample = Sample(f"{name}-{depth}", name, depth, kernels, environment=here)
                store.add_run(sample.run())
    found = documents(
        mlxbench,
        *("--model", "qwen3-30b-a3b", "--bandwidth", "819e9", "--depth", "8192"),
        *("--db", str(store_path)),
    )
    prediction = found["prediction"]
    assert prediction["bandwidth"] == pytest.approx(TRUE.bandwidth)
    assert prediction["kernel_s"] == pytest.approx(TRUE.kernel_s)
    assert prediction["left_out_errors"] == pytest.approx([0, 0, 0, 0], abs=1e-6)
    read = found["ceilings"][0]["bytes_per_token"]
    expected = 1 / TRUE.seconds(read, found["kernels_per_token_here"])
    assert prediction["depths"][0]["tps"] == pytest.approx(expected, rel=0.02)


def _kernels_here(name: str, depth: int) -> int:
    """What the command will count for a stored run: its kernels on this device."""
    from mlxbench.cli.roofline_run import Kernels

    counted = Kernels().of_checkpoint(checkpoint_of(name), round(context_of(depth)))
    assert counted is not None
    return counted


def test_for_people_the_missing_prediction_comes_with_a_command(mlxbench: Invoke) -> None:
    outcome = mlxbench("roofline", "--model", "tiny-moe,tiny-dense", "--bandwidth", "1e10")
    said = " ".join(outcome.out.split())
    assert "run `mlxbench decode --model tiny-moe,tiny-dense -d 0,4096`" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bandwidth", "0"), "'0' is no bandwidth"),
        (("--bandwidth", "-819e9"), "'-819e9' is no bandwidth"),
        (("--bandwidth", "819"), "'819' is no bandwidth; give bytes per second (819e9, not 819)"),
        (("--bandwidth", "nan"), "'nan' is no bandwidth"),
        (("--bandwidth", "inf"), "'inf' is no bandwidth"),
        (("--bandwidth", "fast"), "'fast' is no bandwidth"),
        (("--depth", "-1"), "'-1' is not allowed here"),
        (("--model", "tiny-mo", "--bandwidth", "1e9"), "did you mean tiny-moe"),
        (("--model", "hf:a/b", "--bandwidth", "1e9"), "run `mlxbench models pull hf:a/b`"),
        (("--model", "./nowhere", "--bandwidth", "1e9"), "no directory './nowhere'"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_value(
    mlxbench: Invoke, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("roofline", "--model", "tiny-moe", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_the_stated_bandwidth_of_an_unknown_chip_is_refused(
    mlxbench: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "bandwidth_of", lambda _: None)
    outcome = mlxbench("roofline", "--model", "tiny-moe", "--bandwidth", "spec")
    assert outcome.code == 2
    assert "no stated bandwidth is known for" in outcome.err


def test_another_family_is_refused_by_its_name(
    mlxbench: Invoke, tiny_dense: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_dense, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    outcome = mlxbench("roofline", "--model", str(other), "--bandwidth", "1e9")
    assert outcome.code == 2
    assert "llama is not described here" in outcome.err


def test_a_given_store_that_is_missing_is_an_error(mlxbench: Invoke, tmp_path: Path) -> None:
    outcome = mlxbench(
        *("roofline", "--model", "tiny-moe", "--bandwidth", "1e9"),
        *("--db", str(tmp_path / "none.sqlite")),
    )
    assert outcome.code == 2
    assert "none.sqlite" in outcome.err


def test_help_imports_no_mlx(tmp_path: Path) -> None:
    outcome = run(tmp_path, "roofline", "--help", variables={"PYTHONPROFILEIMPORTTIME": "1"})
    assert outcome.code == 0
    assert "mlx_lm" not in outcome.err
    assert "mlx.core" not in outcome.err


def test_a_stored_shape_that_cannot_be_traced_takes_no_part() -> None:
    from mlxbench.cli.roofline_run import Kernels

    odd = replace(checkpoint_of("qwen3-0.6b"), shape=replace(shape_of("qwen3-0.6b"), hidden_size=9))
    assert Kernels().of_checkpoint(odd, 0) is None
