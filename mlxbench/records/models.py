"""What a model is and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["registry", "directory", "hub", "synthetic", "server"]


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
    the sum of all tensor spans. One token uses `params_active` weights and adds
    `kv_bytes_per_token` to an unquantised KV cache. `quantization` maps a module path to its
    settings; the key "" holds the default. `shape` is known for the families that `roofline`
    describes.

    A server's model has no directory here. Its fingerprint is the server's own digest, and
    `serving` says what serves it: `program`, `version`, `runner`, `counting` (how the server counts
    what it reports, in words), `steps_counted` (the steps in its decode time for N tokens, "N" or
    "N-1", where it gives a rate), and whatever else the server tells.
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
    params_active: int | None = None
    kv_bytes_per_token: int | None = None
    shape: Shape | None = None
    serving: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Which engine, which model, and (for another mlx version) which Python interpreter.

    `model` is the name that people gave it; `location` is a directory for `mlx` and an address for
    a server. A worker process needs nothing but this to open the engine.

    A server takes text only: `tokenizer` is the directory whose tokenizer makes prompts of an exact
    length for it. `unload` lets other models that it holds be unloaded, and restored afterwards.
    """

    engine: str
    model: str
    location: str
    source: Source = "directory"
    repository: str | None = None
    revision: str | None = None
    synthetic: bool = False
    python: str | None = None
    tokenizer: str | None = None
    allow_remote: bool = False
    unload: bool = False
