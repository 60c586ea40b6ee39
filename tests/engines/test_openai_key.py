"""The key reaches the server, and nothing else: no message, no log, no record, no file."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from mlxbench.engines import openai
from mlxbench.engines.openai import keys
from mlxbench.errors import InputError, MlxbenchError
from mlxbench.http_client import Address
from mlxbench.measure import Job, Plan, Session, measure
from mlxbench.records import Arm, Options, Request, Target
from mlxbench.store import Store
from tests.engines.openai_asking import CHAT, COUNTS, END, GOOD, REQUEST, P, ended
from tests.engines.openai_double import (
    DONE,
    Answer,
    document,
    double,
    event,
    listing,
    paced,
    piece,
    stream,
)

CANARY = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz-9876543210"
HALVES = (CANARY[:20], CANARY[20:])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("MLXBENCH_API_KEY", CANARY)


ECHOES: dict[str, tuple[Answer, Request]] = {
    "a refusal": (document({"error": {"message": f"wrong key {CANARY}"}}, 401), REQUEST),
    "a refusal cut short": (Answer([b"x" * 280 + CANARY.encode()], 403), REQUEST),
    "an error event": (ended(event({"error": f"no {CANARY}"})), REQUEST),
    "an escaped error": (ended(event({"error": CANARY}).replace(b"s", b"\\u0073")), REQUEST),
    "nonsense": (ended(f"data: not JSON, but {CANARY}\n\n".encode()), REQUEST),
    "a count": (ended(END, event({"usage": {"completion_tokens": CANARY}})), REQUEST),
    "an end": (stream(" a", prompt=P, finish=CANARY), CHAT),
    "a rate": (stream(" a", prompt=P, timings={"predicted_per_second": f"  {CANARY}"}), CHAT),
    "text": (paced(*map(piece, (*HALVES, *HALVES)), END, COUNTS, DONE), REQUEST),
    "thoughts": (stream({"reasoning": CANARY}, {"content": f"I am {CANARY}"}, prompt=P), CHAT),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_key_that_the_server_sends_back_is_kept_nowhere(
    tiny_moe: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    answer, task = ECHOES[name]
    with double(answer) as server, Store.open(tmp_path / "runs.db") as store:
        target = Target("openai", "m", server.url, tokenizer=str(tiny_moe))
        events: list[object] = []
        session = Session(store, "test", events.append)
        (run_id,) = measure([Job(Arm(target, task), Plan(trials=1, warmup=0))], session)
        shown = [*map(repr, events), repr(store.run(run_id)), caplog.text, *capfd.readouterr()]
        assert {asked.authorization for asked in server.asked} == {f"Bearer {CANARY}"}
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for text in [*shown, *(content.decode("latin-1") for content in kept)]:
        assert CANARY[: keys.SHORTEST_SECRET] not in text


@pytest.mark.parametrize(
    "models",
    [
        document({"error": f"wrong key {CANARY}"}, 401),
        Answer([f"not JSON, but {CANARY}".encode()]),
        listing(CANARY, f"model-of-{CANARY}"),
    ],
)
def test_a_key_that_comes_back_on_opening_is_not_shown(models: Answer) -> None:
    with double(GOOD, models) as server, pytest.raises(MlxbenchError) as caught:
        openai.open(Target("openai", "m", server.url))
    assert CANARY[: keys.SHORTEST_SECRET] not in "".join(traceback.format_exception(caught.value))


def test_a_key_among_what_is_known_of_the_model_is_hidden() -> None:
    models = listing("m", owned_by=CANARY, meta={"ftype": f"Q4 {CANARY}"})
    with double(GOOD, models) as server:
        checkpoint = openai.open(Target("openai", "m", server.url)).checkpoint
    assert checkpoint is not None
    assert checkpoint.quantization == {"": "Q4 ***"}
    assert CANARY not in repr(checkpoint)


@pytest.mark.parametrize("name", ["text", "thoughts"])
def test_only_the_key_is_taken_out_of_a_text(tiny_moe: Path, name: str) -> None:
    answer, task = ECHOES[name]
    with double(answer) as server:
        opened = openai.open(Target("openai", "m", server.url, tokenizer=str(tiny_moe)))
        trial = opened.run(task, Options(), 0)
    hidden = {"text": "******", "thoughts": "<think>\n***\n</think>\n\nI am ***"}
    assert getattr(trial, "text", trial) == hidden[name]


def test_no_other_programs_key_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Address("http", "127.0.0.1", 80)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-common")
    assert keys.from_environment(here) == CANARY
    monkeypatch.setenv("MLXBENCH_API_KEY", " ")
    assert keys.from_environment(here) is None


def test_a_key_does_not_cross_a_network_in_clear() -> None:
    with pytest.raises(InputError, match="in clear; use https") as caught:
        keys.from_environment(Address("http", "192.0.2.7", 80))
    assert CANARY not in str(caught.value)
    assert keys.from_environment(Address("https", "192.0.2.7", 443)) == CANARY


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLXBENCH_API_KEY")
    with double(GOOD) as server:
        openai.open(Target("openai", "m", server.url)).close()
    assert [asked.authorization for asked in server.asked] == [None]


@pytest.mark.parametrize("key", [f"{CANARY}\nX: y", f"'{CANARY}'", f"{CANARY}é", "a b"])
def test_what_is_no_key_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("MLXBENCH_API_KEY", key)
    with pytest.raises(InputError, match="MLXBENCH_API_KEY holds characters") as caught:
        openai.open(Target("openai", "m", "http://127.0.0.1:9"))
    assert CANARY not in str(caught.value)


def test_a_word_that_stands_for_no_key_does_not_spoil_the_text(
    monkeypatch: pytest.MonkeyPatch, tiny_moe: Path
) -> None:
    monkeypatch.setenv("MLXBENCH_API_KEY", "a")
    with double(GOOD) as server:
        opened = openai.open(Target("openai", "m", server.url, tokenizer=str(tiny_moe)))
        trial = opened.run(REQUEST, Options(), 0)
    assert getattr(trial, "text", None) == " a b c d"


def test_a_key_never_goes_to_another_machine_unless_that_was_allowed() -> None:
    with pytest.raises(InputError, match="not on this machine"):
        openai.open(Target("openai", "m", "http://192.0.2.1:8000/v1"))
