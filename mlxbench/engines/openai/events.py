"""The streamed answer of an OpenAI-compatible server, event by event: what it said, and when.

The stream is server-sent events: `data: {…}` with one JSON object each, a blank line after each,
and `data: [DONE]` at the end. Lines that begin with a colon are comments, which mlx_lm.server sends
while it processes a long prompt. What differs between servers:

- Text stands in `text` (completions) or in `delta.content` (chat); thoughts come apart in
  `delta.reasoning_content` (llama-server) or `delta.reasoning` (mlx_lm.server), in others in one or
  the other by version. Events without text occur, the first one of a chat mostly.
- `usage` comes in an event of its own, without choices, or with the last text.
- Errors after the start come as an event: `{"error": …}`, `{"object": "error", …}`, or in a field
  called `error` (older llama-server).
- Some leave out `[DONE]`. What has to come is `finish_reason`, which all of them send: a stream
  without it was broken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlxbench.http_client import Line, ServerFault, clean
from mlxbench.http_client.numbers import parse, text

DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Piece:
    """Text and when it arrived (`perf_counter`)."""

    at: float
    answer: str
    thinking: str

    @property
    def text(self) -> str:
        return self.thinking + self.answer


@dataclass(frozen=True, slots=True)
class Reply:
    """The pieces that hold text, why and when the reply ended, and what the server counted."""

    pieces: tuple[Piece, ...]
    finish: str
    finished: float
    ended: float
    usage: Mapping[str, Any]
    timings: Mapping[str, Any]


@dataclass(slots=True)
class _Reading:
    """A reply as far as it has come."""

    pieces: list[Piece] = field(default_factory=list)
    finish: str = ""
    finished: float = 0.0
    ended: float = 0.0
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)

    def take(self, at: float, event: Mapping[str, Any]) -> None:
        if event.get("error") or event.get("object") == "error":
            raise ServerFault("http_error", f"the server says: {_complaint(event)}")
        self.usage = mapping(event, "usage") or self.usage
        self.timings = mapping(event, "timings") or self.timings
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._take_choice(at, choice)

    def _take_choice(self, at: float, choice: Mapping[str, Any]) -> None:
        delta = mapping(choice, "delta")
        thinking = text(delta, "reasoning_content") or text(delta, "reasoning")
        piece = Piece(at, text(choice, "text") or text(delta, "content"), thinking)
        if piece.text and self.finish:
            raise ServerFault("bad_reply", "the reply goes on after its end")
        if piece.text:
            self.pieces.append(piece)
        if reason := text(choice, "finish_reason"):
            self.finish, self.finished = reason, at


def read(lines: Iterable[Line]) -> Reply:
    """A whole streamed reply of /v1/completions or /v1/chat/completions. Raises ServerFault."""
    reading, done = _Reading(), False
    for at, data in _events(lines):
        if done:
            raise ServerFault("bad_reply", "the reply goes on after [DONE]")
        reading.ended = at
        if data.strip() == DONE:
            done = True
        else:
            reading.take(at, parse(data, "an event of the reply"))
    if not reading.finish:
        if done:
            raise ServerFault("bad_reply", "the reply does not say why it ended (finish_reason)")
        raise ServerFault("no_done", "the reply broke off: neither finish_reason nor [DONE] came")
    return Reply(
        tuple(reading.pieces),
        reading.finish,
        reading.finished,
        reading.ended,
        reading.usage,
        reading.timings,
    )


def mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A JSON object inside another one, empty where there is none."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _events(lines: Iterable[Line]) -> Iterator[tuple[float, bytes]]:
    """The data of each event, and when its last line had arrived.

    Comments and other fields are passed over. An object that stands bare is one too: a server that
    fails before its first event may answer without the frame.
    """
    data: list[bytes] = []
    at = 0.0
    for line in lines:
        content = line.content.removesuffix(b"\r")
        name, _, value = content.partition(b":")
        if not content:
            if data:
                yield at, b"\n".join(data)
            data = []
        elif name == b"error":
            why = clean(value.decode("utf-8", "replace"))
            raise ServerFault("http_error", f"the server says: {why}")
        elif name == b"data" or content.startswith(b"{"):
            data.append(value.removeprefix(b" ") if name == b"data" else content)
            at = line.at
    if data:
        yield at, b"\n".join(data)


def _complaint(event: Mapping[str, Any]) -> str:
    error = event.get("error") or event
    said = error.get("message", error) if isinstance(error, dict) else error
    return clean(str(said))
