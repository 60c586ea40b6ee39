"""What is installed and what is loaded.

A model is loaded once for all requests, and again when a runner option such as num_ctx changes
(the MLX runner has none). It leaves when its keep-alive has passed. Unloading only starts it: the
answer comes at once, and /api/ps shows the model for a little longer, with an expiry in the past.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.ollama_double.asking import RUNNER_OPTIONS, Ask, options
from tests.ollama_double.behaviour import TEMPLATE, Behaviour, ModelCard, nanoseconds
from tests.ollama_double.golang import SECOND_NS, rfc3339
from tests.ollama_double.planning import effective_context

DEFAULT_KEEP_ALIVE_NS = 300 * SECOND_NS
MODIFIED_NS = 1_780_000_000_087_000_000
KV_BYTES_PER_TOKEN = 2_048
NEVER_NS = 1 << 62


@dataclass(slots=True)
class Resident:
    """A loaded model. `leaves_ns` is when it is gone; tests may add residents of their own."""

    card: ModelCard
    num_ctx: int = 4096
    expires_ns: int = NEVER_NS
    leaves_ns: int = NEVER_NS  # a model in use does not leave
    options: Any = None
    cache: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of weights and KV cache."""
        return self.card.size + self.num_ctx * KV_BYTES_PER_TOKEN


def same(a: str, b: str) -> bool:
    """Whether two names mean one model: case and the tag `latest` do not matter."""
    return _tagged(a) == _tagged(b)


def expire(residents: list[Resident]) -> None:
    """Drop what has left by now."""
    now = time.time_ns()
    residents[:] = [one for one in residents if one.leaves_ns > now]


def load(
    residents: list[Resident],
    loads: list[tuple[str, int]],
    card: ModelCard,
    ask: Ask,
    behaviour: Behaviour,
) -> tuple[Resident, int]:
    """The loaded model and what loading took, in nanoseconds. Raises Refusal."""
    chosen = options(ask, behaviour)
    wanted = _runner_options(chosen, ask, behaviour)
    expire(residents)
    now = time.time_ns()
    for one in residents:
        if same(one.card.name, card.name) and one.expires_ns > now:
            if one.options in (None, wanted):
                one.options, one.leaves_ns = wanted, NEVER_NS
                return one, nanoseconds(behaviour.warm_load_s)
            break
    residents[:] = [one for one in residents if not same(one.card.name, card.name)]
    resident = Resident(card, effective_context(behaviour, chosen), options=wanted)
    residents.append(resident)
    loads.append((card.name, resident.num_ctx))
    return resident, nanoseconds(behaviour.load_s)


def extend(resident: Resident, ask: Ask) -> None:
    """Let the keep-alive run from now on, for a model that is in use until `keep`."""
    lifetime = DEFAULT_KEEP_ALIVE_NS if ask.keep_alive_ns is None else ask.keep_alive_ns
    resident.expires_ns = time.time_ns() + lifetime


def keep(residents: list[Resident], resident: Resident, ask: Ask) -> None:
    """Let the keep-alive run from now on, and the model leave after it."""
    extend(resident, ask)
    resident.leaves_ns = resident.expires_ns
    expire(residents)


def unload(residents: list[Resident], card: ModelCard, behaviour: Behaviour) -> None:
    """Start unloading."""
    for one in residents:
        if same(one.card.name, card.name):
            one.expires_ns = time.time_ns()
            one.leaves_ns = one.expires_ns + nanoseconds(behaviour.unload_s)


def process(resident: Resident, behaviour: Behaviour) -> dict[str, Any]:
    """An entry of /api/ps."""
    entry = {
        "name": _tagged(resident.card.name),
        "model": _tagged(resident.card.name),
        "size": resident.size,
        "digest": resident.card.digest,
        "details": details(resident.card, behaviour),
        "expires_at": rfc3339(resident.expires_ns, behaviour.utc_offset_minutes),
        "size_vram": int(resident.size * behaviour.vram_share),
    }
    newer = {"context_length": resident.num_ctx}
    return entry if behaviour.era == "0.6" else entry | newer


def tag(card: ModelCard, behaviour: Behaviour) -> dict[str, Any]:
    """An entry of /api/tags."""
    return {
        "name": _tagged(card.name),
        "model": _tagged(card.name),
        "modified_at": rfc3339(MODIFIED_NS, behaviour.utc_offset_minutes),
        "size": card.size,
        "digest": card.digest,
        "details": details(card, behaviour),
    }


def details(card: ModelCard, behaviour: Behaviour) -> dict[str, Any]:
    """The part that /api/tags, /api/ps and /api/show have in common."""
    return {
        "parent_model": "",
        "format": "gguf" if behaviour.runner == "gguf" else "safetensors",
        "family": card.architecture,
        "families": [card.architecture],
        "parameter_size": card.parameter_size,
        "quantization_level": card.quantization,
    }


def shown(card: ModelCard, behaviour: Behaviour) -> dict[str, Any]:
    """The answer of /api/show; safetensors models have no file type."""
    info: dict[str, Any] = {
        "general.architecture": card.architecture,
        "general.parameter_count": card.parameters,
        f"{card.architecture}.context_length": behaviour.limit,
    }
    if behaviour.runner == "gguf":
        info |= {"general.file_type": card.file_type, "general.quantization_version": 2}
        info |= {"tokenizer.ggml.merges": [], "tokenizer.ggml.tokens": []}
    thinking = ["thinking"] if card.thinks and behaviour.era != "0.6" else []
    return {
        "modelfile": f"# Modelfile\nFROM {card.name}\n",
        "template": TEMPLATE,
        "details": details(card, behaviour),
        "model_info": info,
        "capabilities": ["completion", *thinking],
        "modified_at": rfc3339(MODIFIED_NS, behaviour.utc_offset_minutes),
    }


def _runner_options(chosen: Mapping[str, Any], ask: Ask, behaviour: Behaviour) -> Any:
    if not behaviour.rules.reloads:
        return ()
    found = {name: chosen.get(name) for name in RUNNER_OPTIONS}
    found["num_ctx"] = effective_context(behaviour, chosen)
    if found["num_gpu"] is not None and found["num_gpu"] < 0:
        found["num_gpu"] = None
    shift = ask.shift if behaviour.era == "0.32" else None
    return found | {"shift": shift}


def _tagged(name: str) -> str:
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
