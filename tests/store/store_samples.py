"""A run and a trial of a usual kind, for tests to which the details do not matter."""

from __future__ import annotations

from mlxbench.records import Arm, Completed, Environment, Phase, Run, Target, Timed, TrialRecord

TARGET = Target(engine="mlx", model="tiny-moe", location="tiny-moe", synthetic=True)
UTC = "2026-11-23T04:15:22Z"


def a_run(
    run_id: str = "20261123-041522-a3f9",
    created_utc: str = UTC,
    trials: tuple[TrialRecord, ...] = (),
) -> Run:
    return Run(
        run_id=run_id,
        created_utc=created_utc,
        command="mlxbench decode --model tiny-moe",
        arm=Arm(TARGET, Timed("decode", prompt_tokens=512, generation_tokens=3)),
        workload="natural text",
        environment=Environment(os="Linux"),
        trials=trials,
    )


def a_trial(sequence: int, phase: Phase = "measured") -> TrialRecord:
    trial = Completed(
        clock="device",
        stamps=(0.5, 0.52, 0.54),
        duration_s=0.55,
        prompt_tokens=512,
        generated_tokens=3,
        batch_size=1,
        finish_reason="length",
        prefill_kv_s=0.45,
        peak_memory_bytes=1_000_000,
        tokens=((7, 8, 9),),
    )
    return TrialRecord(sequence, phase, UTC, trial)
