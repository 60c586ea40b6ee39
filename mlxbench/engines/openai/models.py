"""Which server this is, and whether it has the model: GET /v1/models.

The list is the only thing that all of these servers have, and it tells little. Who wrote it shows
in `owned_by` or in the `Server` header. It may be empty, or missing: mlx_lm.server sends nothing at
all where no Hugging Face cache exists, which is a server all the same if /health says so.

mlx_lm.server lists the directory that it was started with by its whole path, and what lies in the
cache; it loads (and fetches) any other name on demand. Only `default_model`, its own word for what
it was started with, may be asked for unlisted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlxbench.engines.openai.events import mapping
from mlxbench.http_client import Client, ServerFault, clean
from mlxbench.http_client.numbers import text

UNKNOWN = "OpenAI-compatible server"
MLX = "mlx_lm.server"
DEFAULT_MODEL = "default_model"
OWNERS: Mapping[str, str] = {
    "llamacpp": "llama-server",
    "vllm": "vLLM",
    "library": "Ollama",
    "organization_owner": "LM Studio",
}
COUNTING: Mapping[str, str] = {
    # tools/server/server-common.h of llama.cpp: n_gen_steps; older versions divided n_decoded.
    "llama-server": "llama-server divides N-1 tokens (older versions: N) by the N-1 forwards "
    "after the first",
}
LARGEST_SIZE = 1 << 50
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """What a server says of itself and its models; sizes in bytes, the unknown `None`."""

    program: str
    names: tuple[str, ...]
    size: int | None = None
    parameters: int | None = None
    format: str | None = None

    @property
    def counting(self) -> str:
        """How the program counts what it reports, in words."""
        return COUNTING.get(self.program, f"{self.program} gives no rates of its own")

    def has(self, model: str) -> bool:
        """Whether `model` may be asked for: a server that lists nothing may have anything."""
        if model == DEFAULT_MODEL and self.program == MLX:
            return True
        return not self.names or model in self.names


def listed(client: Client, model: str) -> Listed:
    """What the server lists, and what it says of `model`. Raises ServerFault when none answers."""
    try:
        document = client.get("/v1/models")
    except ServerFault as fault:
        if fault.reason != "bad_reply" or not _is_healthy(client):
            raise
        return Listed(_program([], client.server), ())
    data = document.get("data")
    entries = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    own = next((one for one in entries if model in _names(one)), {})
    meta = mapping(own, "meta")
    return Listed(
        program=_program([own, *entries], client.server),
        names=tuple(name for entry in entries for name in _names(entry)),
        size=_size(meta, "size"),
        parameters=_size(meta, "n_params"),
        format=shown(text(meta, "ftype")) or None,
    )


def shown(name: str) -> str:
    """A model's name as a server wrote it, on one line and not too long."""
    return clean(name)[:LONGEST_NAME]


def _is_healthy(client: Client) -> bool:
    try:
        return client.get("/health").get("status") == "ok"
    except ServerFault:
        return False


def _names(entry: Mapping[str, Any]) -> list[str]:
    """The name of an entry and its other names (llama-server)."""
    aliases = entry.get("aliases")
    others = aliases if isinstance(aliases, list) else []
    return [one for one in (entry.get("id"), *others) if isinstance(one, str) and one]


def _program(entries: list[Mapping[str, Any]], header: str) -> str:
    """The best guess at who answers."""
    for entry in entries:
        owner = entry.get("owned_by")
        if isinstance(owner, str) and owner in OWNERS:
            return OWNERS[owner]
    if header == "llama.cpp":
        return "llama-server"
    # Python's own server, which owns nothing: no other of them is built on it.
    if header.startswith("BaseHTTP/") and not any("owned_by" in entry for entry in entries):
        return MLX
    return UNKNOWN


def _size(values: Mapping[str, Any], key: str) -> int | None:
    found = values.get(key)
    return found if type(found) is int and 0 < found < LARGEST_SIZE else None
