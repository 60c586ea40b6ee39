"""Which stored rates are fitted, what is predicted from them, and how it is shown."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlxbench import registry, roofline
from mlxbench.engines.mlx.tracing import Counted
from mlxbench.measure.interleaving import WORKLOAD as COMPARISON
from mlxbench.records import Checkpoint, Options, Reference, Routing, Sampler, Timed
from mlxbench.report import roofline as report
from mlxbench.report import roofline_data as data
from mlxbench.report.roofline_data import Bandwidth, Fitted, Model, Roofline
from mlxbench.report.roofline_points import Point, points
from mlxbench.store import Store
from tests.report.roofline_samples import HERE, SETTINGS, TRUE, Sample, context_of, shape_of

KERNELS = {"qwen3-0.6b": 500, "qwen3-4b": 700, "qwen3-30b-a3b": 1_449}
BANDWIDTH = 819e9
SWEEP = (
    Sample("1", "qwen3-0.6b", 0, 500),
    Sample("2", "qwen3-0.6b", 4096, 500),
    Sample("3", "qwen3-4b", 0, 700),
    Sample("4", "qwen3-4b", 4096, 700),
)


def count(checkpoint: Checkpoint, context: int) -> int | None:
    return KERNELS.get(checkpoint.name)


def stored(path: Path, samples: Sequence[Sample]) -> list[Point]:
    with Store.open(path / "results.sqlite") as store:
        for sample in samples:
            store.add_run(sample.run())
        return points(store, HERE, count)


def model_of(name: str) -> Model:
    return data.of_shape(name, "its shape", shape_of(name), SETTINGS)


def made(name: str, known: Fitted, depths: Sequence[int] = (0, 4096, 131_072)) -> Roofline:
    model = model_of(name)
    return Roofline(
        model,
        "cpu",
        Counted(KERNELS[name], 3 * KERNELS[name], {"RMSNorm": 100, "Add": 50}),
        Bandwidth(BANDWIDTH, "as given"),
        data.rows(model, depths, BANDWIDTH, known, lambda context: KERNELS[name]),
        known,
        registry.references(registry.load()).get(name, ()),
    )


# ---- which runs are fitted ----------------------------------------------------------------------


def test_a_rate_stands_at_the_middle_of_its_trial_with_its_bytes_and_kernels(
    tmp_path: Path,
) -> None:
    (point,) = stored(tmp_path, SWEEP[1:2])
    model = model_of("qwen3-0.6b")
    context = 4096 + 64 + 4.5
    assert (point.run_id, point.model, point.test) == ("2", "qwen3-0.6b", "tg9 @ d4096")
    assert point.context == context
    assert point.bytes_per_token == model.active_bytes + 112 * 1024 * context
    assert point.kernels == 500
    assert point.tps.value == pytest.approx(1 / TRUE.seconds(point.bytes_per_token, 500))
    assert point.tps.n == 3


@pytest.mark.parametrize(
    "changed",
    [
        Sample("x", environment=replace(HERE, cpu="Apple M4")),
        Sample("x", environment=replace(HERE, machine="Mac1,1")),
        Sample("x", environment=replace(HERE, accelerator_cores=60)),
        Sample("x", environment=replace(HERE, versions={"mlx": "0.31.0"})),
        Sample("x", options=Options(kv_bits=8)),
        Sample("x", options=Options(kernels=("fused@0123",))),
        Sample("x", options=Options(routing=Routing(top_k=4))),
        Sample("x", changes={"status": "failed"}),
        Sample("x", changes={"status": "running"}),
        Sample("x", changes={"resident": ("qwen3-4b",)}),
        Sample("x", changes={"workload": COMPARISON}),
        Sample("x", changes={"checkpoint": None}),
        Sample("x", changes={"trials": ()}),
        Sample("x", "qwen3-1.7b"),  # its kernels cannot be told
    ],
    ids=[
        *("another cpu", "another machine", "other cores", "another mlx", "quantised cache"),
        *("kernels swapped", "another routing", "failed", "broken off", "beside another"),
        *("compared", "no checkpoint", "no trials", "untraceable"),
    ],
)
def test_what_is_not_like_the_others_is_not_fitted(tmp_path: Path, changed: Sample) -> None:
    assert [point.run_id for point in stored(tmp_path, [*SWEEP[:1], changed])] == ["1"]


@pytest.mark.parametrize(
    "task",
    [
        Timed("decode", batch_size=2),
        Timed("decode", mode="stepped"),
        Timed("decode", sampler=Sampler(temperature=0.6)),
        Timed("prefill"),
        Timed("request"),
    ],
    ids=["a batch", "stepped", "sampled", "prefill", "request"],
)
def test_only_plain_decoding_of_one_sequence_is_fitted(tmp_path: Path, task: Timed) -> None:
    run = Sample("x").run()
    other = Sample("x", changes={"arm": replace(run.arm, task=task)})
    assert [point.run_id for point in stored(tmp_path, [*SWEEP[:1], other])] == ["1"]


def test_a_run_of_a_server_is_not_fitted(tmp_path: Path) -> None:
    run = Sample("x").run()
    served = replace(run.arm, target=replace(run.arm.target, engine="ollama"))
    other = Sample("x", changes={"arm": served})
    assert stored(tmp_path, [other]) == []


def test_of_the_same_weights_and_task_the_newest_counts(tmp_path: Path) -> None:
    older = Sample("1", changes={"created_utc": "2026-11-20T00:00:00Z"}, factor=3)
    newer = Sample("2", changes={"created_utc": "2026-11-21T00:00:00Z"})
    assert [point.run_id for point in stored(tmp_path, [newer, older])] == ["2"]


# ---- what is predicted --------------------------------------------------------------------------


def test_a_sweep_gives_the_machines_constants_and_predicts_a_model_never_measured(
    tmp_path: Path,
) -> None:
    known = data.fitted(stored(tmp_path, SWEEP))
    assert known.model is not None
    assert known.model.bandwidth == pytest.approx(TRUE.bandwidth)
    assert known.model.kernel_s == pytest.approx(TRUE.kernel_s)
    assert known.errors == pytest.approx((0, 0, 0, 0), abs=1e-9)
    found = made("qwen3-30b-a3b", known)
    for row in found.rows:
        assert row.point is None
        assert row.predicted_tps == pytest.approx(1 / TRUE.seconds(row.bytes_per_token, 1_449))
        assert row.ceiling_tps == pytest.approx(BANDWIDTH / row.bytes_per_token)


def test_measured_rates_stand_between_the_depths_at_their_own_context(tmp_path: Path) -> None:
    found = made("qwen3-4b", data.fitted(stored(tmp_path, SWEEP)))
    contexts = [0, context_of(0), 4096, context_of(4096), 131_072]
    assert [row.context for row in found.rows] == contexts
    assert [row.point and row.point.run_id for row in found.rows] == [None, "3", None, "4", None]
    assert [row.error for row in found.rows if row.point] == pytest.approx([0, 0], abs=1e-9)


def test_another_build_of_the_same_shape_does_not_count_as_this_model(tmp_path: Path) -> None:
    known = data.fitted(stored(tmp_path, SWEEP))
    eight_bit = data.of_shape("a", "", shape_of("qwen3-4b"), {"": {"bits": 8, "group_size": 64}})
    shown = data.rows(eight_bit, (0,), BANDWIDTH, known, lambda context: 700)
    assert [row.point for row in shown] == [None]


def test_an_odd_rate_is_told_by_the_fit_of_the_others(tmp_path: Path) -> None:
    # It took twice as long as the constants say: the others predict twice its rate.
    odd = Sample("5", "qwen3-30b-a3b", 0, 1_449, factor=2)
    known = data.fitted(stored(tmp_path, [*SWEEP, odd]))
    errors = dict(zip((point.run_id for point in known.points), known.errors, strict=True))
    assert errors["5"] == pytest.approx(1.0)


# ---- how it is shown ----------------------------------------------------------------------------


def shown(found: Roofline) -> str:
    out = io.StringIO()
    console = Console(width=80, file=out)
    for part in report.report(found):
        console.print(part)
    return out.getvalue()


def test_a_fit_is_shown_with_its_constants_its_n_and_its_error(tmp_path: Path) -> None:
    known = data.fitted(stored(tmp_path, SWEEP))
    constants, left_out = report.fit_lines(known, "run it")
    assert "655 GB/s and 5.9 µs per kernel, fitted to 4 runs of 2 models" in constants
    assert "(n = 4)" in left_out


def test_without_a_fit_it_is_said_what_to_measure(tmp_path: Path) -> None:
    assert list(report.fit_lines(Fitted(), "run it")) == [
        "no prediction: no decode rate of this machine is stored; run it"
    ]
    one = data.fitted(stored(tmp_path, SWEEP[:1]))
    assert list(report.fit_lines(one, "run it")) == [
        "no prediction: what is stored of this machine (n = 1) does not determine one; run it"
    ]
    assert report.document(made("qwen3-4b", one))["prediction"] is None


def test_a_fit_to_one_models_depths_says_that_it_holds_for_that_model(tmp_path: Path) -> None:
    known = data.fitted(stored(tmp_path, [*SWEEP[:2], Sample("9", depth=32_768)]))
    assert any("one model's depths" in line for line in report.fit_lines(known, "run it"))


def test_two_runs_determine_both_constants_so_no_error_is_shown(tmp_path: Path) -> None:
    known = data.fitted(stored(tmp_path, [SWEEP[0], SWEEP[2]]))
    found = made("qwen3-4b", known)
    (row,) = [row for row in found.rows if row.point]
    assert row.predicted_tps is not None
    assert row.error is None
    assert "two runs determine both constants, so no error can be known; run it" in list(
        report.fit_lines(known, "run it")
    )
    (line,) = [line for line in shown(found).splitlines() if line.split()[:1] == ["68"]]
    assert line.split()[-2:] == ["3", "–"]
    assert report.document(found)["measured"][0]["error"] is None


def test_a_third_run_makes_an_error_known(tmp_path: Path) -> None:
    found = made("qwen3-4b", data.fitted(stored(tmp_path, SWEEP[:3])))
    (row,) = [row for row in found.rows if row.point]
    assert row.error == pytest.approx(0, abs=1e-9)
    assert "no error" not in " ".join(report.fit_lines(found.fitted, "run it"))


def test_a_model_far_outside_of_what_was_fitted_is_said_to_be_there(tmp_path: Path) -> None:
    known = data.fitted(stored(tmp_path, SWEEP))
    assert known.read is not None
    within, beyond = (
        data.FAR * known.read[1] / model_of("qwen3-0.6b").kv_bytes_per_token * factor
        for factor in (0.9, 1.1)
    )
    inside = made("qwen3-0.6b", known, (0, round(within)))
    assert inside.far_outside == []
    assert "far outside" not in shown(inside)
    outside = made("qwen3-0.6b", known, (0, round(beyond)))
    assert [row.context for row in outside.far_outside] == [round(beyond)]
    said = " ".join(shown(outside).split())
    assert "MB per token, far outside what was fitted (343–2,877 MB per token)" in said
    depths = report.document(outside)["prediction"]["depths"]
    assert [one["far_outside"] for one in depths] == [False, True]


def test_without_a_prediction_nothing_is_far_outside(tmp_path: Path) -> None:
    one = data.fitted(stored(tmp_path, SWEEP[:1]))
    assert made("qwen3-0.6b", one, (0, 1 << 24)).far_outside == []


def test_numbers_of_four_digits_and_more_have_separators_everywhere() -> None:
    found = replace(made("qwen3-30b-a3b", Fitted(), (0, 4096)), bandwidth=Bandwidth(1e15, "given"))
    rows = data.rows(found.model, (0, 4096), 1e15, Fitted(), lambda context: 1)
    lines = shown(replace(found, rows=rows)).splitlines()
    (kernels,) = [line for line in lines if line.startswith("kernels per token")]
    assert "1,449 on Metal, 4,347 operations on the CPU here" in kernels
    (deep,) = [line for line in lines if line.split()[:1] == ["4,096"]]
    assert re.fullmatch(r"\d{3},\d{3}", deep.split()[3])


def test_a_published_rates_share_is_taken_with_the_bytes_of_its_own_format() -> None:
    shape = shape_of("qwen3-30b-a3b")
    ollama = Reference("", "Ollama 0.6.6, q4_k_m", "M3 Ultra 512 GB", "", decode_tps=72.1)
    # 1.92 GB of q4_k_m, not the 1.72 GB of MLX's 4 bit
    assert data.share(shape, ollama) == pytest.approx(72.1 * 1.92e9 / 819e9, rel=0.002)
    mlx = replace(ollama, engine="mlx-lm 0.28.2, MLX 4-bit")
    expected = 72.1 * roofline.active_bytes(shape) / 819e9
    assert data.share(shape, mlx) == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes", [{"engine": "llama.cpp, q8_0"}, {"machine": "a PC"}, {"decode_tps": None}]
)
def test_without_known_bytes_or_bandwidth_there_is_no_share(changes: dict[str, Any]) -> None:
    ollama = Reference("", "Ollama 0.6.6, q4_k_m", "M3 Ultra 512 GB", "", decode_tps=72.1)
    assert data.share(shape_of("qwen3-32b"), replace(ollama, **changes)) is None


def test_at_80_columns_each_context_is_one_line_below_unbroken_headings(tmp_path: Path) -> None:
    found = made("qwen3-4b", data.fitted(stored(tmp_path, SWEEP)))
    lines = shown(found).splitlines()
    heading = next(line for line in lines if line.startswith("context"))
    assert heading.split() == [
        *("context", "read", "ceiling", "here", "here", "95", "%", "interval", "n", "error")
    ]
    at = lines.index(heading)
    assert lines[at - 1].split() == ["predicted", "measured"]
    assert [len(line.split()) > 5 for line in lines[at + 2 : at + 7]] == [True] * 5
    assert lines[at + 6].split()[0] == "131,072"
    assert lines[at + 3].split()[-2:] == ["+0.0", "%"]


def test_the_widest_figures_fit_into_80_columns_as_well(tmp_path: Path) -> None:
    fast = Sample("1", "qwen3-0.6b", 0, 500, factor=0.1)
    known = data.fitted(stored(tmp_path, [fast, *SWEEP[2:]]))
    found = made("qwen3-0.6b", known, (1 << 20,))
    lines = shown(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("n error" in " ".join(line.split()) for line in lines if "95 % interval" in line)
    assert "1,048,576" in {line.split()[0] for line in lines if line}


def test_published_figures_stand_below_with_their_share() -> None:
    text = shown(made("qwen3-30b-a3b", Fitted()))
    (line,) = [line for line in text.splitlines() if "72.1" in line]
    assert "16.9 %" in line
    assert "q4_k_m" in line


def test_the_document_for_scripts_has_the_fields_of_its_contract(tmp_path: Path) -> None:
    document = report.document(made("qwen3-4b", data.fitted(stored(tmp_path, SWEEP))))
    assert list(document["ceilings"][0]) == ["depth", "bytes_per_token", "tps"]
    wanted = {
        *("model", "params_total", "params_active", "bits_per_weight", "weight_bytes"),
        *("active_bytes", "kv_bytes_per_token", "kernels_per_token", "bandwidth", "ceilings"),
        "prediction",
    }
    assert wanted <= document.keys()
    assert document["kernels_per_token"] == 700
    assert document["prediction"]["n"] == 4
    assert document["prediction"]["models"] == ["qwen3-0.6b", "qwen3-4b"]
    assert [one["run_id"] for one in document["measured"]] == ["3", "4"]
