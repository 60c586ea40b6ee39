"""What came of running an arm once: raw facts, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["warmup", "measured"]
Clock = Literal["device", "host_arrival", "server", "virtual"]
FinishReason = Literal["length", "stop"]
FailureReason = Literal[
    "aborted",
    "out_of_memory",
    "not_finite",
    "low_diversity",
    "suspended",
    "engine_error",
    # Of servers: no usable answer came.
    "connection",
    "timeout",
    "http_error",
    "bad_reply",
    "too_large",
    "no_done",
    # Of servers: an answer came, but not for the work that was asked for.
    "early_stop",
    "wrong_count",
    "cache_hit",
    "context_shift",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning as data: a stable code, what was seen, and what to do about it."""

    code: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The raw facts of one finished trial.

    `stamps[i]` is when token i's values were on the host, in seconds after the start of the trial
    by `clock`. A batch shares its stamps: one per step. A server sends pieces of text, of which
    some hold several tokens: there the first stamp is of the first token, the last one of the last,
    and `generated_tokens` may exceed the number of stamps. `tokens` has one row per sequence.
    `prefill_kv_s` is the time until the KV cache of the whole prompt but its last token was
    evaluated. `native` holds the engine's own figures by the engine's own definition; its rates are
    called `decode_tps` and `prefill_tps`.
    """

    clock: Clock
    stamps: tuple[float, ...]
    duration_s: float
    prompt_tokens: int
    generated_tokens: int
    batch_size: int
    finish_reason: FinishReason
    prefill_kv_s: float | None = None
    peak_memory_bytes: int | None = None
    tokens: tuple[tuple[int, ...], ...] | None = None
    text: str | None = None
    native: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that gave no usable facts, and why."""

    reason: FailureReason
    message: str
    duration_s: float | None = None


Trial = Completed | Failed


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial as stored: its place in the run and the UTC time it began (a label, not a clock)."""

    sequence: int
    phase: Phase
    started_utc: str
    trial: Trial
