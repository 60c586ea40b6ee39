"""The nouns of mlxbench, each one frozen dataclass.

An **arm** is what one measures: a *target* (which engine, which model), a *task* (what it is asked
to do) and *options* (how the engine is set while it does it). Running an arm once gives a
**trial**: a bag of raw facts, never a rate. Rates and intervals are derived from trials on read, so
that a better statistic also works on old records.

SI units throughout, the unit in the name. Unknown is `None`, never 0 or infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# History of the stored and exported records; `store` upgrades step by step and refuses newer ones.
#   1  2026-11: runs, trials, checkpoints, environments
#   2  2026-11: comparisons
SCHEMA_VERSION = 2

Kind = Literal["decode", "prefill"]
Mode = Literal["pipelined", "stepped"]
Phase = Literal["warmup", "measured"]
Clock = Literal["device", "host_arrival", "server", "virtual"]
FinishReason = Literal["length", "stop"]
FailureReason = Literal[
    "aborted", "out_of_memory", "not_finite", "low_diversity", "suspended", "engine_error"
]
RunStatus = Literal["running", "done", "failed", "aborted"]
Metric = Literal["decode", "median-gap", "prefill", "ttft"]
Source = Literal["registry", "directory", "hub", "synthetic", "server"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning as data: a stable code, what was seen, and what to do about it."""

    code: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a Qwen-3 decoder, named as in its `config.json`.

    `num_experts` is 0 for a dense model. A mixture of experts also carries an `intermediate_size`
    that no layer uses.
    """

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    tie_word_embeddings: bool
    num_experts: int = 0
    num_experts_per_tok: int = 0
    moe_intermediate_size: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """A published figure to stand beside ours; `source` says who measured it, on what, how."""

    source: str
    engine: str
    machine: str
    workload: str
    decode_tps: float | None = None
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A local directory that holds a checkpoint, and what is known of where it came from.

    `fingerprint` is a SHA-256 over `config.json` and every shard's name, size and header: cheap
    enough for each load, and different whenever shapes, types or layout differ. `weight_bytes` is
    the sum of all tensor spans. `quantization` maps a module path to its settings; the key ""
    holds the default.
    """

    name: str
    source: Source
    directory: str
    repository: str | None = None
    revision: str | None = None
    fingerprint: str | None = None
    weight_bytes: int | None = None
    bits_per_weight: float | None = None
    quantization: Mapping[str, Any] = field(default_factory=dict)
    model_type: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Which engine, which model, and (for another mlx version) which Python interpreter.

    `model` is the name that people gave it; `location` is a directory for `mlx` and an address for
    a server. A worker process needs nothing but this to open the engine.
    """

    engine: str
    model: str
    location: str
    source: Source = "directory"
    repository: str | None = None
    revision: str | None = None
    synthetic: bool = False
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Sampler:
    """How the next token is drawn; temperature 0 is greedy. `top_p` 1 and `top_k` 0 mean off."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


GREEDY = Sampler()


@dataclass(frozen=True, slots=True)
class Timed:
    """Exactly `generation_tokens` forwards after a prompt of exactly `prompt_tokens`.

    `depth` tokens lie in the KV cache before the prompt. `kind` says which phase is measured: a
    `decode` trial reuses the prompt's cache, a `prefill` trial processes the whole prompt.
    """

    kind: Kind
    prompt_tokens: int = 512
    generation_tokens: int = 128
    depth: int = 0
    batch_size: int = 1
    mode: Mode = "pipelined"
    sampler: Sampler = GREEDY

    @property
    def label(self) -> str:
        """The field's short name: `pp512`, `tg128 @ d4096`."""
        name = (
            f"pp{self.prompt_tokens}" if self.kind == "prefill" else f"tg{self.generation_tokens}"
        )
        depth = f" @ d{self.depth}" if self.depth else ""
        batch = f" × b{self.batch_size}" if self.batch_size > 1 else ""
        return name + depth + batch


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Generate:
    """A chat reply of at most `token_budget` tokens, ended by the model's own end of turn.

    `thinking` is handed to the chat template; `None` leaves the template's default. `unique` adds a
    different number to the end of the last message of each trial, so that no cache can serve it.
    """

    messages: tuple[Message, ...]
    sampler: Sampler
    token_budget: int
    thinking: bool | None = None
    unique: bool = False


Task = Timed | Generate


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is set while a trial runs. `kv_bits` `None` is an unquantised KV cache."""

    prefill_step_size: int = 2048
    kv_bits: int | None = None
    kv_group_size: int = 64


@dataclass(frozen=True, slots=True)
class Arm:
    """What is measured: a target, a task and options."""

    target: Target
    task: Task
    options: Options = Options()


@dataclass(frozen=True, slots=True)
class Completed:
    """The raw facts of one finished trial.

    `stamps[i]` is when token i's values were on the host, in seconds after the start of the trial
    by `clock`. A batch shares its stamps: one per step. `tokens` has one row per sequence.
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


@dataclass(frozen=True, slots=True)
class Environment:
    """What the measurement ran on, by allow-list: no secrets, names or serial numbers."""

    os: str | None = None
    os_version: str | None = None
    machine: str | None = None
    cpu: str | None = None
    cpu_cores: int | None = None
    memory_bytes: int | None = None
    accelerator: str | None = None
    accelerator_backend: str | None = None
    accelerator_cores: int | None = None
    accelerator_memory_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    load_1m: float | None = None
    power_source: str | None = None
    low_power_mode: bool | None = None
    thermal_level: int | None = None
    memory_pressure_level: int | None = None
    swap_used_bytes: int | None = None
    accelerator_utilisation: float | None = None
    cpu_governor: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One arm measured once: everything needed to read its trials later.

    `load_s` is the time to load, apart from any trial; `predicted_memory_bytes` was computed before
    the load.
    """

    run_id: str
    created_utc: str
    command: str
    arm: Arm
    workload: str
    environment: Environment
    checkpoint: Checkpoint | None = None
    status: RunStatus = "running"
    load_s: float | None = None
    predicted_memory_bytes: int | None = None
    notices: tuple[Notice, ...] = ()
    trials: tuple[TrialRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedSession:
    """One session of a comparison: everything loaded once, arms interleaved round by round.

    `run_ids` has a run for each arm, in the order of the arms. `rounds[i]` is the order in which
    the arms ran in round i, as indices; the i-th measured trial of each run belongs to it.
    `planned` rounds were fixed beforehand. `failure` says why the session is of no use.
    """

    run_ids: tuple[str, ...] = ()
    rounds: tuple[tuple[int, ...], ...] = ()
    planned: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms measured against the first of them; its trials are those of the sessions' runs.

    With `null`, the last arm is the first one again: what differs between those two is noise.
    `alternating` arms did not fit into memory together: each session ran one after the other.
    `confirmation` is the session that repeated the best of several arms on fresh pairs.
    """

    comparison_id: str
    created_utc: str
    command: str
    metric: Metric
    arms: tuple[Arm, ...]
    seed: int
    budget_s: float
    null: bool = False
    alternating: bool = False
    status: RunStatus = "running"
    sessions: tuple[ComparedSession, ...] = ()
    confirmed_arm: int | None = None
    confirmation: ComparedSession | None = None
    notices: tuple[Notice, ...] = ()
