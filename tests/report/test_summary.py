"""Rates by hand: from stamps to estimates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.records import (
    Arm,
    Completed,
    Environment,
    Run,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.report.summary import inter_token_latencies, summarise
from mlxbench.store import TrialFacts

RUN = Run(
    "id", "2026-11-23T04:15:22Z", "mlxbench decode", Arm(Target("mlx", "m", "d"), Timed("decode")),
    "standard", Environment(),
)  # fmt: skip


def facts(**columns: tuple[object, ...]) -> TrialFacts:
    n = len(columns["t_first"])
    defaults: dict[str, tuple[object, ...]] = {
        "status": ("completed",) * n,
        "generated_tokens": (5,) * n,
        "prompt_tokens": (512,) * n,
        "batch_size": (1,) * n,
        "prefill_kv_s": (0.4,) * n,
        "peak_memory_bytes": (1000,) * n,
        "native_decode_tps": (None,) * n,
        "native_prefill_tps": (None,) * n,
    }
    return TrialFacts(**(defaults | columns))  # type: ignore[arg-type]


def test_a_decode_rate_counts_the_intervals_between_tokens() -> None:
    # 5 tokens from 1.0 s to 1.8 s: 4 intervals in 0.8 s.
    summary = summarise(RUN, facts(t_first=(1.0,), t_last=(1.8,)))
    assert summary.decode_tps is not None
    assert summary.decode_tps.value == pytest.approx(5.0)
    assert (summary.prefill_tps, summary.ttft_s) == (None, None)


def test_rates_over_trials_are_totals_over_totals() -> None:
    # 4 intervals in 1 s and 4 in 3 s: 8 in 4 s, where the mean of 4 and 4/3 would be 2.67.
    summary = summarise(RUN, facts(t_first=(0.0, 0.0), t_last=(1.0, 3.0)))
    assert summary.decode_tps is not None
    assert summary.decode_tps.value == pytest.approx(2.0)


def test_a_batch_counts_every_sequence() -> None:
    summary = summarise(RUN, facts(t_first=(1.0,), t_last=(1.8,), batch_size=(3,)))
    assert summary.decode_tps is not None
    assert summary.decode_tps.value == pytest.approx(15.0)


def test_a_prefill_rate_is_the_prompt_over_the_time_to_the_first_token() -> None:
    run = replace(RUN, arm=replace(RUN.arm, task=Timed("prefill", generation_tokens=1)))
    summary = summarise(run, facts(t_first=(0.5,), t_last=(0.5,), generated_tokens=(1,)))
    assert summary.prefill_tps is not None
    assert summary.ttft_s is not None
    assert summary.prefill_kv_s is not None
    assert summary.prefill_tps.value == pytest.approx(1024.0)
    assert (summary.ttft_s.value, summary.prefill_kv_s.value) == (0.5, 0.4)
    assert summary.decode_tps is None


def test_failed_trials_are_counted_and_left_out() -> None:
    summary = summarise(
        RUN,
        facts(
            status=("completed", "not_finite"),
            t_first=(1.0, None),
            t_last=(1.8, None),
            batch_size=(1, None),
            prompt_tokens=(512, None),
            peak_memory_bytes=(1000, None),
        ),
    )
    assert (summary.trials, summary.failures) == (1, 1)
    assert summary.decode_tps is not None
    assert summary.decode_tps.value == pytest.approx(5.0)


def test_a_run_without_a_good_trial_has_no_rate() -> None:
    summary = summarise(RUN, TrialFacts(status=("aborted",), t_first=(None,)))
    assert (summary.trials, summary.failures, summary.decode_tps) == (0, 1, None)


def test_a_failed_run_has_no_rate_although_some_trials_went_well() -> None:
    run = replace(RUN, status="failed")
    summary = summarise(run, facts(t_first=(1.0,), t_last=(1.8,)))
    assert (summary.trials, summary.decode_tps) == (1, None)


def stepped(stamps: tuple[float, ...]) -> Run:
    trial = Completed("device", stamps, stamps[-1], 8, len(stamps), 1, "length")
    records = (TrialRecord(0, "warmup", "", trial), TrialRecord(1, "measured", "", trial))
    arm = replace(RUN.arm, task=Timed("decode", mode="stepped"))
    return replace(RUN, arm=arm, trials=records)


def test_latencies_are_the_gaps_of_measured_stepped_trials() -> None:
    assert inter_token_latencies(stepped((1.0, 1.25, 1.75))) == [0.25, 0.5]


def test_pipelined_gaps_are_not_latencies() -> None:
    run = stepped((1.0, 1.25, 1.75))
    assert inter_token_latencies(replace(run, arm=RUN.arm)) is None
