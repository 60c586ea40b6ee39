"""The JSON documents for scripts. Unknown is null; every rate has its interval and n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlxbench import stats
from mlxbench.records import SCHEMA_VERSION, Probe, Run, Timed
from mlxbench.report.probes import ProbeResult
from mlxbench.report.rows import row
from mlxbench.report.summary import Summary, inter_token_latencies
from mlxbench.stats import Estimate

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
NATIVE_RULE = {"mlx": "mlx-lm divides N tokens by the N-1 intervals between them"}


def results(
    summaries: Sequence[Summary], probes: Mapping[str, ProbeResult] | None = None
) -> dict[str, Any]:
    """The document of `decode`, `prefill` and `results list`."""
    known = probes or {}
    return {
        "schema_version": SCHEMA_VERSION,
        "results": [result(summary, known.get(summary.run.run_id)) for summary in summaries],
    }


def result(summary: Summary, probe: ProbeResult | None = None) -> dict[str, Any]:
    """One run as scripts see it, with the result of a probe of the same weights."""
    run, flat = summary.run, row(summary, probe)
    kind = _kind(run)
    rates = {
        "prefill_tps": estimate(summary.prefill_tps),
        "decode_tps": estimate(summary.decode_tps),
    }
    about = {"prefill": ["prefill_tps"], "request": list(rates)}.get(kind, ["decode_tps"])
    return {
        "model": flat.model,
        "engine": flat.engine,
        "synthetic": flat.synthetic,
        "resident": list(run.resident),
        "workload": {
            "kind": kind,
            "prompt_tokens": flat.prompt_tokens,
            "generation_tokens": flat.generation_tokens,
            "depth": flat.depth,
            "batch_size": flat.batch_size,
            "mode": flat.mode,
        },
        **{name: rates[name] for name in about},
        "ttft_s": estimate(summary.ttft_s),
        "prefill_kv_s": estimate(summary.prefill_kv_s),
        **latencies(run),
        "peak_memory_bytes": flat.peak_memory_bytes,
        "predicted_memory_bytes": flat.predicted_memory_bytes,
        "bits_per_weight": flat.bits_per_weight,
        "native": {
            "decode_tps": flat.native_decode_tps,
            "prefill_tps": flat.native_prefill_tps,
            "rule": native_rule(run),
        },
        "probe": _probe(probe),
        "warnings": [asdict(notice) for notice in run.notices],
        "failures": flat.failures,
        "status": flat.status,
        "run_id": flat.run_id,
    }


def _kind(run: Run) -> str:
    if isinstance(run.arm.task, Timed):
        return run.arm.task.kind
    return "probe" if isinstance(run.arm.task, Probe) else run.workload


def _probe(probe: ProbeResult | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    return {
        "suite": probe.suite,
        "verdict": probe.verdict,
        "passes": probe.passes,
        "samples": len(probe.replies),
        "wilson": [probe.share.low, probe.share.high] if probe.share else None,
        "run_id": probe.run.run_id,
    }


def native_rule(run: Run) -> str | None:
    """How the engine's own figures count, in words: a server's rule comes with its run."""
    said = run.checkpoint.serving.get("counting") if run.checkpoint else None
    return str(said) if said else NATIVE_RULE.get(run.arm.target.engine)


def latencies(run: Run) -> dict[str, Any]:
    """Inter-token latency percentiles of a stepped run: null where there are too few for one."""
    gaps = inter_token_latencies(run)
    if not gaps:
        return {}
    return {
        f"itl_{name}_s": estimate(stats.percentile(gaps, fraction))
        for name, fraction in PERCENTILES.items()
    }


def estimate(value: Estimate | None) -> dict[str, Any] | None:
    """An estimate as a JSON object, null where nothing was measured."""
    return asdict(value) if value else None


def whole_run(run: Run) -> dict[str, Any]:
    """A run with everything that is known of it, every trial and stamp included."""
    return {"schema_version": SCHEMA_VERSION, "run": asdict(run)}
