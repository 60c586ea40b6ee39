"""A server on loopback that answers OpenAI's API as a test tells it, and remembers what was asked.

with double(stream(" a", " b", prompt=20)) as server:
    ...Target("openai", "m", server.url)...
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAUSE_S = 0.05  # after the first piece: longer than a reader on a busy machine sleeps
FOR_EVER = math.inf
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """`parts` are sent one by one; a number among them is a pause in seconds."""

    parts: Sequence[bytes | float]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bool = False  # the parts hold status line and headers themselves


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    path: str
    authorization: str | None
    body: Mapping[str, Any]


@dataclass
class Double:
    """What the server answers to which path, and what it was asked so far."""

    reply: Answer
    models: Answer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


def document(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return Answer([json.dumps(value).encode()], status, headers)


def listing(*names: str, **more: Any) -> Answer:
    """An answer of /v1/models."""
    return document({"object": "list", "data": [{"id": name, **more} for name in names]})


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def usage(prompt: int, generated: int, cached: int | None = None) -> dict[str, Any]:
    """The counts of a reply."""
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": prompt, "completion_tokens": generated, **details}


def piece(said: str | Mapping[str, str], finish: str | None = None) -> bytes:
    """An event with text of a completion, or with a delta of a chat."""
    spoken = {"text": said} if isinstance(said, str) else {"delta": said}
    return event({"choices": [{"index": 0, "finish_reason": finish, **spoken}]})


def stream(
    *said: str | Mapping[str, str],
    prompt: int,
    generated: int | None = None,
    finish: str = "length",
    cached: int | None = None,
    **more: Any,
) -> Answer:
    """A whole reply, whose last event (the one with `usage`) also has the fields `more`."""
    counts = usage(prompt, len(said) if generated is None else generated, cached)
    end = [piece("", finish), event({"choices": [], "usage": counts, **more}), DONE]
    return paced(*map(piece, said), *end)


def paced(*events: bytes) -> Answer:
    """The first event, and then the others."""
    return Answer([*events[:1], PAUSE_S, *events[1:]])


@contextmanager
def double(reply: Answer, models: Answer | None = None) -> Iterator[Double]:
    """Serve until the block ends."""
    state = Double(reply, models or listing("m"))
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield state
    finally:
        state.stopped.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Double

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Mapping[str, Any]) -> None:
        self.state.asked.append(Asked(self.path, self.headers.get("Authorization"), body))
        if self.path.endswith("/v1/models"):
            answer = self.state.models
        elif body:
            answer = self.state.reply
        else:
            answer = document({"status": "unknown"}, 404)
        with suppress(OSError):
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        if not answer.raw:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
        for part in answer.parts:
            if isinstance(part, bytes):
                self.wfile.write(part)
            elif part == FOR_EVER:
                self.state.stopped.wait()
            else:
                self.state.stopped.wait(part)
