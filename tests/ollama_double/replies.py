"""Replies that no server should give, by the thousand and the same ones for the same seed.

Each starts as the valid answer of a random version and is then damaged a few times: in its
messages (fields dropped, values of other types, numbers that are none), in its lines (lost,
repeated, shuffled, cut), in its bytes, or all of it replaced. A few stay valid.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.ollama_double.behaviour import RULES, Behaviour, Canned
from tests.ollama_double.golang import dumps
from tests.ollama_double.planning import Message, body

VERSIONS = {"0.6": "0.6.6", "0.24": "0.24.0", "0.32": "0.32.15"}
# Text that JSON readers disagree about, put in for a value.
NUMBERS: tuple[str, ...] = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1",
    "-0",
    "0",
    "1.5",
    "1" * 400,
    "9" * 19,
)
NUMBERS += ("-9223372036854775808", "1e18", "0.1e-300", "-1e400", "00", "+1", "0x10", "1_000")
STRINGS = ('"12"', '""', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u001b[2J"', '"NaN"')
JUNK = ("null", "true", "false", "[]", "{}", '[[[{"a":[]}]]]', '{"done":true}', "[1,2,3]")
STATUSES = (200, 200, 200, 200, 200, 200, 201, 204, 301, 302, 400, 404, 418, 429, 500, 503)
TYPES = ("application/x-ndjson", "application/json", "text/html", "text/plain; charset=latin-1", "")
DEPTH = 50_000

Damage = Callable[[random.Random, list[bytes]], list[bytes]]


def random_replies(seed: int, n: int) -> Iterator[Canned]:
    """`n` replies to /api/generate."""
    source = random.Random(seed)
    valid = [_lines(source, version, runner) for version, runner in RULES for _ in range(8)]
    for _ in range(n):
        lines = list(source.choice(valid))
        for _ in range(source.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            lines = source.choice(DAMAGES)(source, lines)
        content_type = TYPES[0] if source.random() < 0.8 else source.choice(TYPES)
        headers = (("Content-Type", content_type),)
        yield Canned(source.choice(STATUSES), headers, b"".join(lines))


def _lines(source: random.Random, era: Any, runner: Any) -> list[bytes]:
    behaviour = Behaviour(VERSIONS[era], runner, thoughts=source.choice((0, 0, 3)))
    behaviour = replace(behaviour, stop_after=source.choice((None, None, 2)))
    pieces = (" word", " caf\u00e9", "\n", " \u6c34", "<b>&", "a")
    encoded = tuple(piece.encode() for piece in pieces)
    behaviour = replace(behaviour, pieces=encoded, empty_first=source.random() < 0.2)
    request = {
        "model": "qwen3:tiny",
        "prompt": "x" * source.randint(1, 40),
        "raw": True,
        "stream": source.random() < 0.9,
        "options": {"num_predict": source.randint(1, 8)},
    }
    return body(behaviour, request).splitlines(keepends=True)


def _edit(
    source: random.Random, lines: list[bytes], edit: Callable[[Message], bytes]
) -> list[bytes]:
    """One line, mostly the last, through `edit`; a line that is no object any more stays."""
    if not lines:
        return lines
    index = len(lines) - 1 if source.random() < 0.7 else source.randrange(len(lines))
    try:
        message = json.loads(lines[index])
    except (ValueError, RecursionError):
        return lines
    if not isinstance(message, dict) or not message:
        return lines
    return [*lines[:index], edit(message) + b"\n", *lines[index + 1 :]]


def _drop_field(source: random.Random, lines: list[bytes]) -> list[bytes]:
    def edit(message: Message) -> bytes:
        message.pop(source.choice(list(message)))
        return _written(message)

    return _edit(source, lines, edit)


def _other_value(source: random.Random, lines: list[bytes]) -> list[bytes]:
    """Some value becomes text that JSON may not even allow."""
    chosen = source.choice(source.choice((NUMBERS, NUMBERS, STRINGS, JUNK)))

    def edit(message: Message) -> bytes:
        name = source.choice(list(message))
        return _written(message | {name: "\x00HERE"}).replace(b'"\\u0000HERE"', chosen.encode(), 1)

    return _edit(source, lines, edit)


def _new_field(source: random.Random, lines: list[bytes]) -> list[bytes]:
    name = source.choice(("error", "done", "message", "thinking", "response", "x", ""))
    value = source.choice((*JUNK, *STRINGS, *NUMBERS[:4]))

    def edit(message: Message) -> bytes:
        return _written(message)[:-1] + b"," + dumps(name) + b":" + value.encode() + b"}"

    return _edit(source, lines, edit)


def _deep(source: random.Random, lines: list[bytes]) -> list[bytes]:
    depth = source.choice((40, 2_000, DEPTH))
    deep = b"[" * depth + (b"]" * depth if source.random() < 0.5 else b"")
    return [*lines[:-1], b'{"done":true,"eval_count":' + deep + b"}\n"]


def _shuffle(source: random.Random, lines: list[bytes]) -> list[bytes]:
    return source.sample(lines, len(lines))


def _lose_line(source: random.Random, lines: list[bytes]) -> list[bytes]:
    lost = source.randrange(len(lines)) if lines else 0
    return lines[:lost] + lines[lost + 1 :]


def _double_line(source: random.Random, lines: list[bytes]) -> list[bytes]:
    if not lines:
        return lines
    index = source.randrange(len(lines))
    return lines[: index + 1] + lines[index:]


def _cut(source: random.Random, lines: list[bytes]) -> list[bytes]:
    whole = b"".join(lines)
    return [whole[: source.randint(0, len(whole))]]


def _flip(source: random.Random, lines: list[bytes]) -> list[bytes]:
    data = bytearray(b"".join(lines))
    for _ in range(source.choice((1, 1, 3, 20)) if data else 0):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    return bytes(data).splitlines(keepends=True)


def _noise(source: random.Random, lines: list[bytes]) -> list[bytes]:
    junk = source.choice(
        (b"\n", b"\r\n", b" \t\n", b"\x00\n", b"\xff\xfe\n", b"}{\n", b"null\n", b"3\n")
    )
    index = source.randint(0, len(lines))
    return [*lines[:index], junk, *lines[index:]]


def _other_ends(source: random.Random, lines: list[bytes]) -> list[bytes]:
    end = source.choice((b"\r\n", b"\r", b"", b"\n\n", b"\x0b\n", "\u2028".encode()))
    return [line.rstrip(b"\n") + end for line in lines]


def _replaced(source: random.Random, lines: list[bytes]) -> list[bytes]:
    return [source.choice(BODIES)]


def _written(message: Message) -> bytes:
    """JSON that keeps lone surrogates as escapes."""
    return json.dumps(message, separators=(",", ":")).encode()


BODIES = (
    b"",
    b"\n",
    b"null",
    b"{}",
    b"[]",
    b"{",
    b'"',
    b'{"error":"out of memory"}\n',
    b'{"error":{"message":"nested"}}\n',
    b'{"error":null}\n',
    b'{"done":true}\n',
    b'{"done":"true","response":5}\n',
    b"\xef\xbb\xbf{}\n",
    b"<html><body>502 Bad Gateway</body></html>",
    b"data: {}\n\ndata: [DONE]\n\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    b" " * 5_000,
)
DAMAGES: tuple[Damage, ...] = (
    _drop_field,
    _drop_field,
    _other_value,
    _other_value,
    _other_value,
    _new_field,
    _deep,
    _shuffle,
    _lose_line,
    _double_line,
    _cut,
    _flip,
    _flip,
    _noise,
    _other_ends,
    _replaced,
)
