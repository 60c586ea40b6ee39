"""Which engines are servers, and how a server may be reached."""

from __future__ import annotations

from dataclasses import dataclass

SERVERS = ("ollama", "openai")


@dataclass(frozen=True, slots=True)
class Reach:
    """How a server may be reached, and whether other models of it may be set aside."""

    url: str | None = None
    allow_remote: bool = False
    unload: bool = False
