"""Damaged replies by the thousand: repeatable, varied, and served as they are."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.ollama_double import Behaviour, OllamaDouble, random_replies
from tests.ollama_double.client import ask, request
from tests.ollama_double.replies import DAMAGES

FAST = Behaviour("0.24.0", token_s=0.0, load_s=0.0)


def test_random_replies_are_the_same_for_the_same_seed() -> None:
    assert list(random_replies(7, 50)) == list(random_replies(7, 50))
    assert list(random_replies(7, 50)) != list(random_replies(8, 50))


def test_random_replies_hold_every_kind_of_damage() -> None:
    replies = [one.body for one in random_replies(1, 2_000)]
    joined = b"\n".join(replies)
    for sign in (
        b"NaN",
        b"Infinity",
        b"1e400",
        b'"\\ud800"',
        b"[" * 40,
        b"\xff",
        b"\r\n",
        b"<html",
    ):
        assert sign in joined, sign
    assert b"" in replies
    kinds = Counter(_kind(reply) for reply in replies)
    assert kinds.keys() == {"valid", "not JSON", "no objects", "not done"}
    assert min(kinds.values()) > 20


def _kind(reply: bytes) -> str:
    try:
        found = [json.loads(line) for line in reply.splitlines()]
    except (ValueError, RecursionError):
        return "not JSON"
    if not all(isinstance(one, dict) for one in found):
        return "no objects"
    return "valid" if found and found[-1].get("done") is True else "not done"


@pytest.fixture(scope="module")
def canned_server() -> Iterator[OllamaDouble]:
    with OllamaDouble(FAST) as server:
        yield server


def test_random_replies_can_be_served(canned_server: OllamaDouble) -> None:
    served = [one for one in random_replies(3, 40) if one.status not in (204, 304)]
    for canned in served:
        canned_server.behaviour = replace(FAST, fault="canned", canned=canned)
        status, _, sent = ask(canned_server, "POST", "/api/generate", request())
        assert (status, sent) == (canned.status, canned.body)


def test_every_damage_survives_a_reply_without_lines() -> None:
    for damage in DAMAGES:
        assert all(isinstance(line, bytes) for line in damage(random.Random(0), []))
