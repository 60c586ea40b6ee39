"""The text of a reply in the pieces in which it leaves: chunks are not tokens.

A token may hold part of a character, and then waits for the rest. The llama.cpp runners hold back
everything that is pending and drop what is no UTF-8; the MLX runner sends what is whole, puts
U+FFFD for what is wrong, and at the end forgets what is unfinished.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from tests.ollama_double.asking import Ask
from tests.ollama_double.behaviour import WORDS, Behaviour

REPEATS = 30


def chunks(behaviour: Behaviour, ask: Ask, texts: int) -> list[tuple[int, str]]:
    """The pieces of text with the number of the token that completed each."""
    found: list[tuple[int, str]] = []
    pending = b""
    for number, piece in enumerate(islice(_tokens(behaviour, ask), texts), start=1):
        pending += piece
        ready, pending = _ready(behaviour, pending)
        if ready:
            found.append((number, ready))
    if behaviour.runner == "gguf" and (rest := _valid(pending)):  # what waits is flushed at the end
        found.append((texts, rest))
    if behaviour.empty_first and found:
        found.insert(0, (found[0][0], ""))
    return found


def _tokens(behaviour: Behaviour, ask: Ask) -> Iterator[bytes]:
    """The bytes of each token, for ever. The prompt says where in our words they start."""
    start = zlib.crc32(ask.prompt.encode("utf-8", "replace")) % len(WORDS)
    words = islice(cycle(behaviour.pieces), start if behaviour.pieces is WORDS else 0, None)
    if behaviour.thoughts and ask.think is not False:
        yield b"<think>"
        yield b"\n"
        yield from islice(words, behaviour.thoughts)
        yield b"</think>"
        yield b"\n\n"
    yield from words


def _ready(behaviour: Behaviour, pending: bytes) -> tuple[str, bytes]:
    """Text that can go out, and bytes that wait for the rest of a character."""
    cut = _incomplete_from(pending)
    if behaviour.runner == "mlx":
        return pending[:cut].decode("utf-8", "replace"), pending[cut:]
    return ("", pending) if cut < len(pending) else (_valid(pending), b"")


def _incomplete_from(data: bytes) -> int:
    """Where an unfinished character at the end begins, or the length."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4
        starts = byte & 0xC0 == 0xC0
        return len(data) - back if starts and back < needed else len(data)
    return len(data)


def _valid(data: bytes) -> str:
    """The longest beginning that is UTF-8: the llama.cpp runners drop the rest."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return data[: error.start].decode()


def before_repeats(
    behaviour: Behaviour, ask: Ask, text: Sequence[tuple[int, str]]
) -> Sequence[tuple[int, str]]:
    if ask.operation not in behaviour.rules.repeats_end:
        return text
    last, repeated = "", 0
    for index, (_, piece) in enumerate(text):
        repeated = repeated + 1 if piece.strip() == last else 0
        last = piece.strip()
        if repeated > REPEATS:
            return text[:index]
    return text
