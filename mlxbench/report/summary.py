"""From a run's raw facts to its estimates. Nothing here is stored: it is derived on every read.

For B sequences, a prompt of P tokens and N generated ones, with t_i the stamp of token i:

- `decode_tps` = B·(N-1) / (t_N - t_1): N tokens have N-1 intervals between them.
- `prefill_tps` = B·P / t_1 and `ttft_s` = t_1, for trials that process their whole prompt.
- `itl_*` = percentiles of t_(i+1) - t_i, for stepped trials only.

Over trials, rates are totals over totals; times are means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TypeVar

from mlxbench import stats
from mlxbench.records import Completed, Probe, Run, Timed
from mlxbench.stats import Estimate
from mlxbench.store import TrialFacts

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Summary:
    """The estimates of one run; what it did not measure is `None`.

    `native_*` are the engine's own figures by its own counting rule, as arithmetic means.
    """

    run: Run
    trials: int
    failures: int
    decode_tps: Estimate | None = None
    prefill_tps: Estimate | None = None
    ttft_s: Estimate | None = None
    prefill_kv_s: Estimate | None = None
    native_decode_tps: float | None = None
    native_prefill_tps: float | None = None
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    peak_memory_bytes: int | None = None


def summarise(run: Run, facts: TrialFacts) -> Summary:
    """The estimates of `run` from the facts of its measured trials."""
    good = [status == "completed" for status in facts.status]
    rateless = isinstance(run.arm.task, Probe) and run.arm.target.source != "server"
    # More than a fifth failed: such an arm has no rate. Replies decoded together have none either.
    if not any(good) or run.status == "failed" or rateless:
        return Summary(run, trials=sum(good), failures=len(good) - sum(good))
    first, last = _kept(facts.t_first, good), _kept(facts.t_last, good)
    batch, steps = _kept(facts.batch_size, good), _kept(facts.generated_tokens, good)
    prompt = _kept(facts.prompt_tokens, good)
    whole_prompt = not (isinstance(run.arm.task, Timed) and run.arm.task.kind == "decode")
    # A server may send a whole chat reply in one piece, which has no time between tokens.
    decoded = all(n > 1 and t_n > t_1 for n, t_1, t_n in zip(steps, first, last, strict=True))
    return Summary(
        run,
        trials=sum(good),
        failures=len(good) - sum(good),
        decode_tps=_decode(batch, steps, first, last) if decoded else None,
        prefill_tps=_prefill(batch, prompt, first) if whole_prompt else None,
        ttft_s=stats.mean(first) if whole_prompt else None,
        prefill_kv_s=_mean_or_none(_kept(facts.prefill_kv_s, good)) if whole_prompt else None,
        native_decode_tps=_plain_mean(facts.native_decode_tps) if decoded else None,
        native_prefill_tps=_plain_mean(facts.native_prefill_tps) if whole_prompt else None,
        prompt_tokens=round(math.fsum(prompt) / len(prompt)),
        generated_tokens=round(math.fsum(steps) / len(steps)),
        peak_memory_bytes=max(_kept(facts.peak_memory_bytes, good), default=None),
    )


def inter_token_latencies(run: Run) -> list[float] | None:
    """Every gap of every measured trial, in seconds; `None` unless each step was synchronised."""
    if not (isinstance(run.arm.task, Timed) and run.arm.task.mode == "stepped"):
        return None
    return [
        later - earlier
        for record in run.trials
        if record.phase == "measured" and isinstance(record.trial, Completed)
        for earlier, later in zip(record.trial.stamps, record.trial.stamps[1:], strict=False)
    ]


def _decode(
    batch: Sequence[int], steps: Sequence[int], first: Sequence[float], last: Sequence[float]
) -> Estimate:
    tokens = [b * (n - 1) for b, n in zip(batch, steps, strict=True)]
    return stats.throughput(tokens, [t_n - t_1 for t_1, t_n in zip(first, last, strict=True)])


def _prefill(batch: Sequence[int], prompt: Sequence[int], first: Sequence[float]) -> Estimate:
    return stats.throughput([b * p for b, p in zip(batch, prompt, strict=True)], first)


def _kept(column: Sequence[Value | None], good: Sequence[bool]) -> list[Value]:
    return [value for value in compress(column, good) if value is not None]


def _mean_or_none(values: Sequence[float]) -> Estimate | None:
    return stats.mean(values) if values else None


def _plain_mean(column: Sequence[float | None]) -> float | None:
    values = [value for value in column if value is not None]
    return math.fsum(values) / len(values) if values else None
