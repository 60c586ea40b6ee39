"""Ollama's streamed answer, line by line: what it said, and when.

Each line is a JSON object with a piece of text and `created_at`, the server's own time; the last
one has `done` and the metrics. Three traps:

- A piece is not a token: bytes of an unfinished character are held back, and empty pieces occur.
- A stream that ends without `done` was broken off, even where the connection ended in good order:
  Ollama ends one so when a piece has repeated 30 times.
- Text may come in `thinking` instead of `response`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlxbench.http_client import Line, ServerFault, clean
from mlxbench.http_client.numbers import parse, text


@dataclass(frozen=True, slots=True)
class Piece:
    """Text with when it arrived (`perf_counter`) and when it was made, by the server's clock."""

    arrived: float
    created: float
    answer: str
    thinking: str

    @property
    def text(self) -> str:
        return self.thinking + self.answer


@dataclass(frozen=True, slots=True)
class Reply:
    """The pieces that hold text, and the last message with its server time."""

    pieces: tuple[Piece, ...]
    done: Mapping[str, Any]
    created: float
    arrived: float


def read(lines: Iterable[Line]) -> Reply:
    """A whole reply of /api/generate or /api/chat. Raises ServerFault."""
    pieces: list[Piece] = []
    done: tuple[Mapping[str, Any], float, float] | None = None
    for line in lines:
        if not line.content.strip():
            continue
        message = parse(line.content, "a line of the reply")
        if "error" in message:
            raise ServerFault("http_error", f"the server says: {clean(str(message['error']))}")
        if done is not None:
            raise ServerFault("bad_reply", "the reply goes on after its last message")
        piece = _piece(line, message)
        if piece.text:
            pieces.append(piece)
        if message.get("done") is True:
            done = message, piece.created, line.at
    if done is None:
        raise ServerFault("no_done", "the reply broke off: its last message never came")
    return Reply(tuple(pieces), *done)


def _piece(line: Line, message: Mapping[str, Any]) -> Piece:
    chat = message.get("message")
    said = chat if isinstance(chat, dict) else message
    answer = text(said, "content" if said is chat else "response")
    return Piece(line.at, _created(message), answer, text(said, "thinking"))


def _created(message: Mapping[str, Any]) -> float:
    """`created_at` in seconds since 1970: only ever used as a difference."""
    value = message.get("created_at")
    try:
        return datetime.fromisoformat(value if isinstance(value, str) else "").timestamp()
    except (ValueError, OverflowError, OSError):
        shown = clean(repr(value)[:60])
        raise ServerFault("bad_reply", f"created_at is {shown}, which is no time") from None
