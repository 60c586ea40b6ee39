"""What an OpenAI-compatible server may do wrong, and the failure that becomes of it."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from typing import Any

import pytest

from mlxbench.records import Completed, Options, Request, Timed
from tests.engines.openai_asking import (
    CHAT,
    COUNTS,
    END,
    GOOD,
    RATES,
    WORDS,
    N,
    P,
    ended,
    failure,
    loaded,
)
from tests.engines.openai_double import (
    DONE,
    FOR_EVER,
    Answer,
    document,
    double,
    event,
    piece,
    stream,
)

ODD_VALUES = [b"NaN", b"1e999", b"-1", b"null", b"[]", b"{}", b'""', b"true", b"9" * 30, b"1", b"4"]

BAD: dict[str, tuple[Answer, str, str]] = {
    "broken off": (Answer([*map(piece, WORDS)]), "no_done", "broke off"),
    "nothing at all": (Answer([]), "no_done", "broke off"),
    "done without a reason": (ended(COUNTS, DONE), "bad_reply", "finish_reason"),
    "no usage": (ended(END, DONE), "bad_reply", "does not count"),
    "usage without counts": (ended(END, event({"usage": {}}), DONE), "bad_reply", "does not count"),
    "text after the end": (ended(END, piece("x"), COUNTS, DONE), "bad_reply", "after its end"),
    "more after done": (ended(END, COUNTS, DONE, END), "bad_reply", "after [DONE]"),
    "too few": (stream(*WORDS[:3], prompt=P), "early_stop", "(length) after 3 of 4 tokens"),
    "stopped": (stream(*WORDS, prompt=P, finish="stop"), "early_stop", "(stop) after 4 of 4"),
    "too many": (stream(*WORDS, prompt=P, generated=5), "wrong_count", "5 tokens came"),
    "aborted": (stream(*WORDS, prompt=P, finish="abort"), "wrong_count", "(abort)"),
    "another prompt": (
        stream(*WORDS, prompt=21),
        "wrong_count",
        "the server counts 21 prompt tokens, 20 were sent",
    ),
    "cached": (stream(*WORDS, prompt=P, cached=16), "cache_hit", "16 of 20 prompt tokens"),
    "cached by its timings": (
        stream(*WORDS, prompt=P, timings={"cache_n": 19}),
        "cache_hit",
        "19 of 20 prompt tokens",
    ),
    "merged start": (
        stream("é b", " c", " d", prompt=P, generated=N),
        "bad_reply",
        "first piece of text may hold several",
    ),
    "held back start": (
        stream("<b", " c", " d", prompt=P, generated=N),
        "bad_reply",
        "first piece of text may hold several",
    ),
    "one piece": (stream("all of it", prompt=P, generated=N), "bad_reply", "in one piece"),
    "no text": (stream(prompt=P, generated=N), "bad_reply", "without any text"),
    "more pieces than tokens": (
        stream(*WORDS, " e", prompt=P, generated=N),
        "wrong_count",
        "5 pieces of text for 4 tokens",
    ),
    "all at once": (
        Answer([b"".join([*map(piece, WORDS), END, COUNTS, DONE])]),
        "bad_reply",
        "they were held back",
    ),
    "an error": (
        ended(event({"error": {"message": "out of\nmemory"}})),
        "http_error",
        "the server says: out of memory",
    ),
    "an error in words": (ended(event({"error": "gone"})), "http_error", "gone"),
    "an error object": (
        ended(event({"object": "error", "message": "too long"})),
        "http_error",
        "too long",
    ),
    "an error field": (ended(b'error: {"message": "no slot"}\n\n'), "http_error", "no slot"),
    "a bare error": (Answer([b'{"error": "no model"}\n']), "http_error", "no model"),
    "an error status": (
        document({"error": {"message": "no such model"}}, 404),
        "http_error",
        "HTTP 404",
    ),
    "a redirect": (Answer([], 307, {"Location": "http://127.0.0.1:9/"}), "http_error", "redirects"),
    "no JSON": (ended(b"data: {nonsense\n\n"), "bad_reply", "no JSON object"),
    "a list": (ended(b"data: []\n\n"), "bad_reply", "no JSON object"),
    "not a number": (ended(b'data: {"usage": NaN}\n\n'), "bad_reply", "no JSON object"),
    "a count of infinity": (
        ended(END, b'data: {"usage": {"completion_tokens": 1e999}}\n\n'),
        "bad_reply",
        "no count",
    ),
    "a negative count": (stream(*WORDS, prompt=-P), "bad_reply", "no count"),
    "text that is none": (
        ended(piece("", None), event({"choices": [{"text": 5}]})),
        "bad_reply",
        "5",
    ),
    "a giant line": (Answer([b"data: " + b"x" * 30_000]), "too_large", "a line of more than"),
    "a giant answer": (Answer([b": more\n" * 10_000]), "too_large", "an answer of more than"),
    "silence": (Answer([piece(" a"), FOR_EVER]), "timeout", "was silent for 0.3 s"),
    "comments for ever": (
        Answer([b": keepalive\n\n", 0.1] * 20),
        "timeout",
        "was not done after 0.8 s",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_a_failure_with_its_reason(tiny_moe: Path, name: str) -> None:
    answer, reason, words = BAD[name]
    found, message = failure(answer, tiny_moe)
    assert (found, words in message) == (reason, True), message


@pytest.mark.parametrize("rate", ["fast", -1.0, True, 1e300, 10**400, [1]])
def test_a_rate_that_is_none_fails_the_trial(tiny_moe: Path, rate: Any) -> None:
    answer = stream(*WORDS, prompt=P, timings={**RATES, "predicted_per_second": rate})
    reason, message = failure(answer, tiny_moe)
    assert (reason, "no rate" in message) == ("bad_reply", True)


def test_a_chat_of_more_tokens_than_allowed_fails(tiny_moe: Path) -> None:
    answer = stream({"content": "a"}, prompt=9, generated=N + 1)
    assert failure(answer, tiny_moe, CHAT)[0] == "wrong_count"


def test_a_chat_that_ended_for_another_reason_fails(tiny_moe: Path) -> None:
    answer = stream({"content": "a"}, prompt=9, finish="content_filter")
    reason, message = failure(answer, tiny_moe, CHAT)
    assert (reason, "content_filter" in message) == ("bad_reply", True)


def test_random_answers_never_raise_and_never_give_infinity(tiny_moe: Path) -> None:
    draw = random.Random(0)
    prefill = Timed("prefill", prompt_tokens=P, generation_tokens=1)
    good: dict[Request, bytes] = {CHAT: _sent_at_once(*WORDS), prefill: _sent_at_once(" a")}
    completions = 0
    with double(GOOD) as server:
        opened = loaded(server, tiny_moe)
        for number in range(500):
            task = draw.choice([*good])
            server.reply = Answer([_damaged(draw, good[task])], raw=number % 7 == 0)
            trial = opened.run(task, Options(), seed=1)
            if isinstance(trial, Completed):
                completions += 1
                assert all(map(math.isfinite, [*trial.stamps, *trial.native.values()]))
                assert trial.stamps
            else:
                assert "\n" not in trial.message
    assert 20 < completions < 400


def _sent_at_once(*said: str) -> bytes:
    parts = stream(*said, prompt=P, cached=0, timings=RATES).parts
    return b"".join(part for part in parts if isinstance(part, bytes))


def _damaged(draw: random.Random, whole: bytes) -> bytes:
    """Noise, or a good reply with some of its bytes or of its values replaced."""
    kind = draw.randrange(4)
    if kind == 0:
        return b"HTTP/1.1 200 OK\r\n" + draw.randbytes(draw.randrange(300))
    if kind == 1:
        broken = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        return bytes(broken[: draw.randrange(len(broken) * 2)])
    values = [*re.finditer(rb"(?<=: )[^ ,{}]+", whole)]
    found = draw.choice(values)
    return whole[: found.start()] + draw.choice(ODD_VALUES) + whole[found.end() :]
