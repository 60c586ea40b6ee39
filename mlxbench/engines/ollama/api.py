"""Ollama's HTTP API, as far as a benchmark needs it: what is there, what is loaded."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlxbench.engines.ollama.reply import Reply, read
from mlxbench.http_client import CONTROL, GENERATION, Client, Limits, ServerFault
from mlxbench.http_client.numbers import count, text

UNLOADED_WITHIN_S = 15.0
POLL_S = 0.05
# `keep_alive: -1` is stored as an expiry hundreds of years away.
FOR_EVER_S = 10 * 365 * 86400.0
LARGEST_SIZE = 1 << 50
LIBRARY = "registry.ollama.ai/library/"


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded model. `keep_alive_s` is what remains, infinite for ever; sizes in bytes."""

    name: str
    size: int
    size_vram: int
    keep_alive_s: float
    context_length: int | None


@dataclass(frozen=True, slots=True)
class Model:
    """What /api/show and /api/tags say of a model; the unknown is `None`."""

    format: str
    quantization: str
    architecture: str | None
    parameters: int | None
    context_length: int | None
    kv_bytes_per_token: int | None
    size: int | None
    digest: str | None


class Api:
    """One server."""

    def __init__(self, client: Client, generation: Limits = GENERATION) -> None:
        self.client = client
        self._generation = generation

    def version(self) -> str:
        """Ollama's version. Raises ServerFault, also where something else answers."""
        found = text(self.client.get("/api/version"), "version")
        if not found:
            raise ServerFault("bad_reply", f"{self.client.address.url} is no Ollama")
        return found

    def residents(self) -> list[Resident]:
        """Every loaded model."""
        return [_resident(one) for one in _list(self.client.get("/api/ps"))]

    def resident(self, model: str) -> Resident | None:
        """The loaded model of this name."""
        return next((one for one in self.residents() if same(one.name, model)), None)

    def show(self, model: str) -> Model:
        """What is known of a model. Raises ServerFault when there is none of this name."""
        shown = self.client.post("/api/show", {"model": model}, CONTROL)
        details, info = _mapping(shown, "details"), _mapping(shown, "model_info")
        tags = _list(self.client.get("/api/tags"))
        tag = next((one for one in tags if same(text(one, "name"), model)), {})
        architecture = text(info, "general.architecture") or None
        return Model(
            format=text(details, "format"),
            quantization=text(details, "quantization_level"),
            architecture=architecture,
            parameters=_size(info, "general.parameter_count"),
            context_length=count(info, f"{architecture}.context_length"),
            kv_bytes_per_token=_kv_bytes(info, architecture),
            size=_size(tag, "size"),
            digest=text(tag, "digest") or None,
        )

    def load(self, body: Mapping[str, Any]) -> None:
        """Load a model and return once it is loaded."""
        self.client.post("/api/generate", body, self._generation)

    def unload(self, model: str) -> None:
        """Unload a model and return once it is gone. Raises ServerFault when it stays."""
        body = {"model": model, "prompt": "", "keep_alive": 0, "stream": False}
        self.client.post("/api/generate", body, CONTROL)
        deadline = time.monotonic() + UNLOADED_WITHIN_S
        while self.resident(model) is not None:
            if time.monotonic() > deadline:
                raise ServerFault("timeout", f"{model} is still loaded after it was unloaded")
            time.sleep(POLL_S)

    def reply(self, path: str, body: Mapping[str, Any]) -> Reply:
        """The streamed answer to `body`, read to its end."""
        with self.client.stream(path, body, self._generation) as lines:
            return read(lines)


def _kv_bytes(info: Mapping[str, Any], architecture: str | None) -> int | None:
    """A key and a value of 2 bytes each per layer and KV head, Ollama's default."""
    keys = ("block_count", "attention.head_count_kv", "attention.key_length")
    layers, heads, length = (count(info, f"{architecture}.{key}") for key in keys)
    return 2 * 2 * layers * heads * length if layers and heads and length else None


def same(a: str, b: str) -> bool:
    """Whether two names mean the same model: the tag `latest` and the library may be left out."""
    return _full(a) == _full(b)


def _full(name: str) -> str:
    name = name.removeprefix(LIBRARY).lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _resident(values: Mapping[str, Any]) -> Resident:
    return Resident(
        name=text(values, "name"),
        size=_size(values, "size") or 0,
        size_vram=_size(values, "size_vram") or 0,
        keep_alive_s=_remaining(text(values, "expires_at")),
        context_length=count(values, "context_length") or None,
    )


def _remaining(expires_at: str) -> float:
    """Seconds until a time as Go writes it; years ahead are for ever."""
    try:
        left = (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return math.inf
    return math.inf if left > FOR_EVER_S else max(0.0, left)


def _list(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    models = document.get("models")
    return [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _size(values: Mapping[str, Any], key: str) -> int | None:
    found = values.get(key)
    return found if type(found) is int and 0 < found < LARGEST_SIZE else None
