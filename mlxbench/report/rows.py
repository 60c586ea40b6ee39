"""One flat row per run, the source of every table and export.

The columns are the fields of `ResultRow`, in this order, so that CSV and JSON lines cannot drift
apart. SI units, the unit in the name; an unknown is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mlxbench.records import MACHINE_FIELDS, Options, Run, Sampler, Task, Timed
from mlxbench.report.probes import ProbeResult
from mlxbench.report.routing import routing_words
from mlxbench.report.summary import Summary
from mlxbench.stats import Estimate


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What was measured, under which settings, on what, and the estimates with their intervals."""

    run_id: str
    created_utc: str
    status: str
    model: str
    engine: str
    synthetic: bool
    repository: str | None
    revision: str | None
    fingerprint: str | None
    bits_per_weight: float | None
    weight_bytes: int | None
    workload: str
    test: str
    prompt_tokens: int | None
    generation_tokens: int | None
    depth: int | None
    batch_size: int
    mode: str
    temperature: float
    top_p: float
    top_k: int
    kv_bits: int | None
    prefill_step_size: int
    routing: str | None
    kernels: str | None
    resident: str | None
    n: int
    failures: int
    decode_tps: float | None
    decode_tps_low: float | None
    decode_tps_high: float | None
    native_decode_tps: float | None
    prefill_tps: float | None
    prefill_tps_low: float | None
    prefill_tps_high: float | None
    native_prefill_tps: float | None
    ttft_s: float | None
    ttft_s_low: float | None
    ttft_s_high: float | None
    peak_memory_bytes: int | None
    predicted_memory_bytes: int | None
    load_s: float | None
    probe_verdict: str | None
    probe_suite: str | None
    probe_passes: int | None
    probe_replies: int | None
    probe_low: float | None
    probe_high: float | None
    probe_truncated: int | None
    probe_run_id: str | None
    machine: str | None
    cpu: str | None
    accelerator: str | None
    accelerator_backend: str | None
    accelerator_cores: int | None
    memory_bytes: int | None
    os: str | None
    os_version: str | None
    python: str | None
    mlx: str | None
    mlx_lm: str | None
    server: str | None
    command: str
    warnings: str


COLUMNS = tuple(field.name for field in fields(ResultRow))
# What makes two rows the same measurement repeated, so that an export shows the latest of them.
SETTINGS = (
    *("model", "engine", "synthetic", "revision", "fingerprint", "workload", "test"),
    *("prompt_tokens", "generation_tokens", "depth", "batch_size", "mode", "temperature"),
    *("top_p", "top_k", "kv_bits", "prefill_step_size", "routing", "kernels", "resident"),
    *MACHINE_FIELDS,
    *("mlx", "mlx_lm", "server"),
)


def row(summary: Summary, probe: ProbeResult | None = None) -> ResultRow:
    """The row of one summarised run, with the result of a probe of the same weights."""
    run = summary.run
    return ResultRow(
        **_identity(run),
        **_settings(run, summary),
        resident=", ".join(run.resident) or None,
        n=summary.trials,
        failures=summary.failures,
        **_interval("decode_tps", summary.decode_tps),
        native_decode_tps=summary.native_decode_tps,
        **_interval("prefill_tps", summary.prefill_tps),
        native_prefill_tps=summary.native_prefill_tps,
        **_interval("ttft_s", summary.ttft_s),
        peak_memory_bytes=summary.peak_memory_bytes,
        predicted_memory_bytes=run.predicted_memory_bytes,
        load_s=run.load_s,
        **_probe(probe),
        **_machine(run),
        server=_server(run),
        command=run.command,
        warnings=" ".join(notice.code for notice in run.notices),
    )


def _probe(probe: ProbeResult | None) -> dict[str, Any]:
    share = probe.share if probe else None
    return {
        "probe_verdict": probe.verdict if probe else None,
        "probe_suite": probe.suite if probe else None,
        "probe_passes": probe.passes if probe else None,
        "probe_replies": len(probe.replies) if probe else None,
        "probe_low": share.low if share else None,
        "probe_high": share.high if share else None,
        "probe_truncated": probe.truncated if probe else None,
        "probe_run_id": probe.run.run_id if probe else None,
    }


def latest(rows: list[ResultRow]) -> list[ResultRow]:
    """The newest of each model × workload × settings × machine; `rows` come newest first.

    Where one of them was measured to the end, that is: one broken off later does not replace it.
    """
    kept: dict[tuple[Any, ...], ResultRow] = {}
    for candidate in rows:
        key = tuple(getattr(candidate, name) for name in SETTINGS)
        if key not in kept or (candidate.status == "done" and kept[key].status != "done"):
            kept[key] = candidate
    return list(kept.values())


def _identity(run: Run) -> dict[str, Any]:
    target, checkpoint = run.arm.target, run.checkpoint
    return {
        "run_id": run.run_id,
        "created_utc": run.created_utc,
        "status": run.status,
        "model": target.model,
        "engine": target.engine,
        "synthetic": target.synthetic,
        "repository": target.repository,
        "revision": target.revision,
        "fingerprint": checkpoint.fingerprint if checkpoint else None,
        "bits_per_weight": checkpoint.bits_per_weight if checkpoint else None,
        "weight_bytes": checkpoint.weight_bytes if checkpoint else None,
        "workload": run.workload,
    }


def _settings(run: Run, summary: Summary) -> dict[str, Any]:
    task, options = run.arm.task, run.arm.options
    sampler: Sampler = task.sampler
    assert isinstance(options, Options)
    timed = task if isinstance(task, Timed) else None
    return {
        "test": run.test,
        "prompt_tokens": timed.prompt_tokens if timed else summary.prompt_tokens,
        "generation_tokens": _generation_tokens(task),
        "depth": timed.depth if timed else 0,
        "batch_size": timed.batch_size if timed else 1,
        "mode": timed.mode if timed else "pipelined",
        "temperature": sampler.temperature,
        "top_p": sampler.top_p,
        "top_k": sampler.top_k,
        "kv_bits": options.kv_bits,
        "prefill_step_size": options.prefill_step_size,
        "routing": ", ".join(routing_words(options.routing)) if options.routing else None,
        "kernels": ", ".join(options.kernels) or None,
    }


def _generation_tokens(task: Task) -> int:
    return task.generation_tokens if isinstance(task, Timed) else task.token_budget


def _interval(name: str, estimate: Estimate | None) -> dict[str, Any]:
    return {
        name: estimate.value if estimate else None,
        f"{name}_low": estimate.low if estimate else None,
        f"{name}_high": estimate.high if estimate else None,
    }


def _server(run: Run) -> str | None:
    """The program that served the model, and its version."""
    serving = run.checkpoint.serving if run.checkpoint else {}
    return " ".join(str(serving[key]) for key in ("program", "version") if key in serving) or None


def _machine(run: Run) -> dict[str, Any]:
    machine = run.environment
    return {
        **{name: getattr(machine, name) for name in MACHINE_FIELDS},
        "memory_bytes": machine.memory_bytes,
        "os": machine.os,
        "os_version": machine.os_version,
        "python": machine.versions.get("python"),
        "mlx": machine.versions.get("mlx"),
        "mlx_lm": machine.versions.get("mlx-lm"),
    }
