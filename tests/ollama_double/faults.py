"""Everything the server can do wrong, by name.

A `Fault` damages the plan of a valid answer (`damage`: messages to the bytes that are sent, and
when) or takes the whole connection over (`takeover`). `FAULTS` is the table, in which each says
what it does.
Faults with a `damage` can be had as plain bytes too: `damaged_body`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tests.ollama_double.behaviour import Behaviour
from tests.ollama_double.golang import FOR_EVER_NS, dumps
from tests.ollama_double.planning import A_DAY_IN_2026_NS, Timed, answer

NDJSON = "application/x-ndjson"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
DRIP_S = 0.01
LONG_LINE = 2 << 20
LONG_BODY = 65 << 20
SHORT_LINE = 1000
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
METRICS = (*DURATIONS, "prompt_eval_count", "eval_count")
PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Log in</body></html>\n"
ESCAPES = "\x1b[2J\x1b[31mred\x1b[0m\x07\x1b]0;title\x07\r\x9b1m\u202eabc"
CRASH = "an error was encountered while running the model: CUDA error: out of memory"

Part = tuple[int, bytes]  # when, in nanoseconds since 1970, and what
Damage = Callable[[Sequence[Timed]], Iterator[Part]]
Ending = Literal["proper", "cut", "reset", "silence"]


class Wire(Protocol):
    """The connection as faults see it."""

    authorization: str
    request_body: bytes
    redirect_to: str

    def send(self, data: bytes) -> None: ...
    def head(self, status: int, headers: Mapping[str, str]) -> None: ...
    def answer(self, status: int, content_type: str, body: bytes) -> None: ...
    def pause(self, seconds: float) -> bool: ...
    def silence(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """`says` what happens. `ending` is how the connection ends after a damaged body:
    as HTTP wants it, without the last chunk, with a reset, or never."""

    says: str
    damage: Damage | None = None
    takeover: Callable[[Wire], None] | None = None
    ending: Ending = "proper"


def damaged_body(
    behaviour: Behaviour, request: Mapping[str, Any], operation: str = "generate"
) -> bytes:
    """The body that a fault with a `damage` makes of a valid answer."""
    damage = FAULTS[behaviour.fault or ""].damage
    if damage is None:
        raise ValueError(f"{behaviour.fault} is not a matter of the body")
    return b"".join(data for _, data in damage(answer(behaviour, request, operation)))


def lines(messages: Sequence[Timed]) -> Iterator[Part]:
    """The messages as they should be."""
    for one in messages:
        yield one.at_ns, dumps(one.message) + b"\n"


def _last(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    """Edit the last message."""

    def damage(messages: Sequence[Timed]) -> Iterator[Part]:
        yield from lines(messages[:-1])
        yield messages[-1].at_ns, dumps(edit(dict(messages[-1].message))) + b"\n"

    return damage


def _set(**values: Any) -> Damage:
    return _last(lambda message: message | values)


def _durations(value: Any) -> Damage:
    return _set(**dict.fromkeys(DURATIONS, value))


def _plus(name: str, more: int) -> Damage:
    return _last(lambda message: message | {name: message.get(name, 0) + more})


def _without(*names: str) -> Damage:
    return _last(lambda message: {k: v for k, v in message.items() if k not in names})


def _each(edit: Callable[[dict[str, Any], int], dict[str, Any]]) -> Damage:
    def damage(messages: Sequence[Timed]) -> Iterator[Part]:
        for index, one in enumerate(messages):
            yield one.at_ns, dumps(edit(dict(one.message), index)) + b"\n"

    return damage


def _without_created(message: dict[str, Any], _index: int) -> dict[str, Any]:
    message.pop("created_at")
    return message


def _backwards(messages: Sequence[Timed]) -> Iterator[Part]:
    times = [one.message["created_at"] for one in reversed(messages)]
    yield from _each(lambda message, index: message | {"created_at": times[index]})(messages)


def _half(messages: Sequence[Timed]) -> Sequence[Timed]:
    return messages[: max(1, len(messages) // 2)]


def _first_half(messages: Sequence[Timed]) -> Iterator[Part]:
    yield from lines(_half(messages))


def _no_done(messages: Sequence[Timed]) -> Iterator[Part]:
    yield from lines(messages[:-1])


def _cut_line(messages: Sequence[Timed]) -> Iterator[Part]:
    *whole, (at_ns, line) = lines(messages)
    yield from whole
    yield at_ns, line[: len(line) // 2]


def _duplicate_done(messages: Sequence[Timed]) -> Iterator[Part]:
    yield from lines([*messages, messages[-1]])


def _goes_on(messages: Sequence[Timed]) -> Iterator[Part]:
    yield from lines([*messages, messages[0]])


def _error_in_stream(messages: Sequence[Timed]) -> Iterator[Part]:
    half = _half(messages)
    yield from lines(half)
    yield half[-1].at_ns, dumps({"error": CRASH}) + b"\n"


def _escapes_in_stream(messages: Sequence[Timed]) -> Iterator[Part]:
    half = _half(messages)
    yield from lines(half)
    yield half[-1].at_ns, dumps({"error": ESCAPES}) + b"\n"


def _invalid_utf8(messages: Sequence[Timed]) -> Iterator[Part]:
    at_ns, line = next(lines(messages))
    for field in (b'"response":"', b'"content":"'):
        line = line.replace(field, field + b"\xff\xfe\xc3(\xed\xa0\x80", 1)
    yield at_ns, line
    yield from lines(messages[1:])


def _giant_line(messages: Sequence[Timed]) -> Iterator[Part]:
    piece = b"a" * (64 << 10)
    at_ns = messages[0].at_ns
    yield at_ns, b'{"model":"m","response":"'
    for _ in range(LONG_LINE // len(piece)):
        yield at_ns, piece
    yield at_ns, b'","done":false}\n'
    yield from lines(messages)


def _giant_body(messages: Sequence[Timed]) -> Iterator[Part]:
    at_ns = messages[0].at_ns
    text = messages[0].message | {"response": " a" * (SHORT_LINE // 2)}
    block = (dumps(text) + b"\n") * 64
    for _ in range(LONG_BODY // len(block) + 1):
        yield at_ns, block
    yield from lines(messages)


def _instead(body: bytes) -> Damage:
    def damage(messages: Sequence[Timed]) -> Iterator[Part]:
        yield messages[0].at_ns if messages else A_DAY_IN_2026_NS, body

    return damage


def _context_full(messages: Sequence[Timed]) -> Iterator[Part]:
    half = _half(messages[:-1])
    last = messages[-1].message | {"done_reason": "length", "eval_count": len(half)}
    yield from lines(half)
    yield messages[-1].at_ns, dumps(last) + b"\n"


def _early(messages: Sequence[Timed]) -> Iterator[Part]:
    half = _half(messages[:-1])
    last = messages[-1].message | {"done_reason": "stop", "eval_count": len(half) + 1}
    yield from lines(half)
    yield messages[-1].at_ns, dumps(last) + b"\n"


def _answer(status: int, content_type: str, body: bytes) -> Callable[[Wire], None]:
    return lambda wire: wire.answer(status, content_type, body)


def _error(status: int, message: str) -> Callable[[Wire], None]:
    return _answer(status, JSON, dumps({"error": message}))


def _not_found(wire: Wire) -> None:
    model = json.loads(wire.request_body or b"{}").get("model", "")
    wire.answer(404, JSON, dumps({"error": f"model '{model}' not found"}))


def _secret(wire: Wire) -> None:
    text = f"not allowed with {wire.authorization}: {wire.request_body[:200].decode()}"
    wire.answer(401, JSON, dumps({"error": text}))


def _redirect(wire: Wire) -> None:
    wire.head(302, {"Location": wire.redirect_to, "Content-Length": "0"})


def _silence_after_head(wire: Wire) -> None:
    wire.head(200, {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"})
    wire.silence()


def _drip(wire: Wire, data: bytes) -> None:
    """The same bytes again and again, one at a time."""
    while True:
        for byte in data:
            wire.send(bytes([byte]))
            if wire.pause(DRIP_S):
                return


def _drip_headers(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    _drip(wire, b"a")


def _drip_body(wire: Wire) -> None:
    wire.head(200, {"Content-Type": NDJSON, "Connection": "close"})
    wire.send(b'{"model":"m","response":"')
    _drip(wire, b"a")


def _drip_newlines(wire: Wire) -> None:
    wire.head(200, {"Content-Type": NDJSON, "Connection": "close"})
    _drip(wire, b"\n")


FAULTS: Mapping[str, Fault] = {
    "drip_headers": Fault("a header that never ends, byte by byte", takeover=_drip_headers),
    "drip_feed": Fault("a line that never ends, byte by byte", takeover=_drip_body),
    "drip_newlines": Fault("empty lines for ever", takeover=_drip_newlines),
    "stall": Fault("the request is read, then silence", takeover=lambda wire: wire.silence()),
    "stall_body": Fault("a status and headers, then silence", takeover=_silence_after_head),
    "stall_stream": Fault("half of the messages, then silence", _first_half, ending="silence"),
    "truncated": Fault("the connection breaks off within the last line", _cut_line, ending="cut"),
    "cut_line": Fault("the last line is half, and the reply ends in good order", _cut_line),
    "no_done": Fault("all but the last message, in good order", _no_done),
    "dies": Fault("half of the messages, then a reset", _first_half, ending="reset"),
    "giant_line": Fault("a line of 2 MiB comes first", _giant_line),
    "giant_body": Fault("65 MiB of lines of a kilobyte come first", _giant_body),
    "not_json": Fault("a page of HTML with status 200", takeover=_answer(200, HTML, PAGE)),
    "not_json_stream": Fault("a page of HTML that says it is JSON lines", _instead(PAGE)),
    "json_not_object": Fault("a line that holds a list", _instead(b"[1,2,3]\n")),
    "empty_body": Fault("no line at all", _instead(b"")),
    "error_status": Fault("status 500 and an error", takeover=_error(500, CRASH)),
    "busy": Fault(
        "status 503, as when too many requests wait",
        takeover=_error(503, "server busy, please try again.  maximum pending requests exceeded"),
    ),
    "error_without_text": Fault("status 500 without a body", takeover=_answer(500, JSON, b"")),
    "not_found": Fault("status 404, as for an unknown model", takeover=_not_found),
    "error_in_stream": Fault("half of the messages, then an error", _error_in_stream),
    "escapes": Fault("status 500, terminal escapes in the error", takeover=_error(500, ESCAPES)),
    "escapes_in_stream": Fault("terminal escapes in an error mid-stream", _escapes_in_stream),
    "secret_echo": Fault("status 401, repeating the key and the request", takeover=_secret),
    "redirect": Fault("status 302 to somewhere else", takeover=_redirect),
    "negative_duration": Fault("all durations are −1", _durations(-1)),
    "zero_duration": Fault("all durations are 0 instead of omitted", _durations(0)),
    "huge_duration": Fault("all durations are 292 years", _durations(FOR_EVER_NS)),
    "nan_duration": Fault("all durations are NaN", _durations(float("nan"))),
    "string_count": Fault('eval_count is a string, "12"', _set(eval_count="12")),
    "fractional_count": Fault("eval_count is 12.5", _set(eval_count=12.5)),
    "missing_metrics": Fault("the last message has no metrics", _without(*METRICS)),
    "no_eval_duration": Fault("the last message has no eval_duration", _without("eval_duration")),
    "wrong_prompt_count": Fault("7 prompt tokens too many", _plus("prompt_eval_count", 7)),
    "wrong_eval_count": Fault("3 generated tokens too many", _plus("eval_count", 3)),
    "early_stop": Fault("half of the text, then EOS", _early),
    "context_shift": Fault("half of the text, then `length`: the context is full", _context_full),
    "cache_hit": Fault("it says that a prompt token was cached", _set(prompt_eval_cached_count=1)),
    "missing_created_at": Fault("no message has created_at", _each(_without_created)),
    "created_at_backwards": Fault("created_at runs backwards", _backwards),
    "created_at_no_time": Fault("created_at is 'soon'", _set(created_at="soon")),
    "invalid_utf8": Fault("bytes that are no UTF-8 in the first piece of text", _invalid_utf8),
    "duplicate_done": Fault("the last message comes twice", _duplicate_done),
    "goes_on": Fault("more text after the last message", _goes_on),
    "canned": Fault("the bytes of Behaviour.canned"),  # the server sends them
}
