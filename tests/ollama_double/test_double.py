"""The double keeps the rules that were read in the source of three versions.

The expected texts and layouts were taken from the built servers of 0.6.6 and 0.24.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mlxbench.tokenizer import Tokenizer
from tests.ollama_double import RULES, Behaviour, OllamaDouble, Refusal, body
from tests.ollama_double.asking import read
from tests.ollama_double.behaviour import Era, Runner
from tests.ollama_double.client import MODEL, ask, messages, post, request
from tests.ollama_double.golang import rfc3339
from tests.ollama_double.planning import fitted
from tests.ollama_double.thinking import ThinkingParser

VERSIONS: dict[str, str] = {"0.6": "0.6.6", "0.24": "0.24.0", "0.32": "0.32.15"}
ROWS = [(era, runner) for era, runner in RULES]
GGUF = ["0.6.6", "0.24.0", "0.32.15"]
# Round figures, so that every expected duration can be worked out by hand.
SPEEDS: dict[str, Any] = {
    "token_s": 0.001,
    "sample_s": 0.00001,
    "prompt_token_s": 0.0001,
    "tokenising_token_s": 0.000002,
}


def done(behaviour: Behaviour, asked: dict[str, Any], operation: str = "generate") -> Any:
    """The last message."""
    return messages(body(behaviour, asked, operation))[-1]


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(Behaviour(token_s=0.0, load_s=0.0, unload_s=0.05)) as server:
        yield server


# Counts and durations, per row of the table.


@pytest.mark.parametrize(
    ("era", "runner", "prompt_ns", "eval_ns"),
    [
        ("0.6", "gguf", 10 * 2_000 + 10 * 100_000, 3 * 1_000_000 + 4 * 10_000),
        ("0.24", "gguf", 10 * 100_000, 3 * 1_000_000),
        ("0.24", "mlx", 2_000 + 9 * 100_000 + 1_010_000, 3 * 1_010_000),
        ("0.32", "gguf", 10 * 100_000, 3 * 1_010_000),
        ("0.32", "mlx", 2_000 + 9 * 100_000, 4 * 1_010_000),
    ],
)
def test_each_row_has_its_durations(era: str, runner: Runner, prompt_ns: int, eval_ns: int) -> None:
    last = done(Behaviour(VERSIONS[era], runner, **SPEEDS), request("0123456789"))
    assert last["prompt_eval_count"] == 10
    assert last["prompt_eval_duration"] == prompt_ns
    assert last["eval_count"] == 4
    assert last["eval_duration"] == eval_ns
    assert last["done_reason"] == "length"


@pytest.mark.parametrize(("era", "runner"), ROWS)
def test_eos_is_counted_by_llama_cpp_and_not_by_mlx(era: Era, runner: Runner) -> None:
    behaviour = Behaviour(VERSIONS[era], runner, stop_after=2)
    reply = messages(body(behaviour, request()))
    assert reply[-1]["done_reason"] == "stop"
    assert reply[-1]["eval_count"] == (3 if runner == "gguf" else 2)
    assert len(reply) == 3


@pytest.mark.parametrize(("era", "runner"), ROWS)
def test_eos_as_the_last_token_stops_with_the_full_count(era: Era, runner: Runner) -> None:
    last = done(Behaviour(VERSIONS[era], runner, stop_after=3), request())
    assert last["done_reason"] == "stop"
    assert last["eval_count"] == (4 if runner == "gguf" else 3)


@pytest.mark.parametrize(("era", "runner"), ROWS)
def test_a_stop_after_the_last_token_is_not_reached(era: Era, runner: Runner) -> None:
    last = done(Behaviour(VERSIONS[era], runner, stop_after=4), request())
    assert (last["done_reason"], last["eval_count"]) == ("length", 4)


def test_one_token_has_no_eval_duration_in_0_24() -> None:
    one = request(options={"num_predict": 1})
    assert "eval_duration" not in done(Behaviour("0.24.0", **SPEEDS), one)
    assert done(Behaviour("0.6.6", **SPEEDS), one)["eval_duration"] == 10_000
    assert done(Behaviour("0.32.15", **SPEEDS), one)["eval_duration"] == 1_000
    assert done(Behaviour("0.32.15", "mlx", **SPEEDS), one)["eval_duration"] == 1_010_000


@pytest.mark.parametrize(("era", "runner"), ROWS)
def test_the_parts_add_up_and_the_times_rise(era: Era, runner: Runner) -> None:
    reply = messages(body(Behaviour(VERSIONS[era], runner), request()))
    times = [datetime.fromisoformat(one["created_at"]) for one in reply]
    assert times == sorted(times)
    parts = reply[-1]["prompt_eval_duration"] + reply[-1]["eval_duration"]
    assert parts <= reply[-1]["total_duration"]


@pytest.mark.parametrize("version", GGUF)
def test_a_repeated_prompt_takes_less_time_but_counts_in_full(version: str) -> None:
    behaviour = Behaviour(version, token_s=0.0, load_s=0.0, prompt_token_s=0.0001)
    with OllamaDouble(behaviour) as double:
        whole, again, half = (
            post(double, request(prompt, stream=False))
            for prompt in ("0123456789", "0123456789", "01234abcde")
        )
    assert [one["prompt_eval_count"] for one in (whole, again, half)] == [10, 10, 10]
    saved = [whole["prompt_eval_duration"] - one["prompt_eval_duration"] for one in (again, half)]
    assert saved == [900_000, 500_000]


def test_a_build_may_say_how_much_was_cached(double: OllamaDouble) -> None:
    double.behaviour = replace(double.behaviour, reports_cached=True)
    first, second = (post(double, request("0123456789", stream=False)) for _ in range(2))
    assert "prompt_eval_cached_count" not in first
    assert second["prompt_eval_cached_count"] == 9


# Prompts and replies that do not fit.


@pytest.mark.parametrize(("version", "left"), [("0.6.6", 20), ("0.24.0", 20), ("0.32.15", 12)])
def test_a_long_prompt_is_cut_by_the_versions_rule(version: str, left: int) -> None:
    asked = request("x" * 50, options={"num_ctx": 20})
    assert done(Behaviour(version), asked)["prompt_eval_count"] == left


def test_a_cut_keeps_the_first_tokens_and_the_last() -> None:
    behaviour = Behaviour("0.24.0")
    asked = json.dumps(request("x", options={"num_ctx": 10, "num_keep": 3})).encode()
    cut = fitted(behaviour, read("generate", asked, behaviour), tuple(range(30)))
    assert cut == (0, 1, 2, 23, 24, 25, 26, 27, 28, 29)


def test_only_newer_versions_refuse_a_long_prompt() -> None:
    asked = request("x" * 50, options={"num_ctx": 20}, truncate=False)
    assert done(Behaviour("0.6.6"), asked)["prompt_eval_count"] == 20
    with pytest.raises(Refusal, match=r"^the input length exceeds the context length$"):
        body(Behaviour("0.24.0"), asked)
    with pytest.raises(Refusal, match=r"request \(50 tokens\) exceeds .* \(20 tokens\)"):
        body(Behaviour("0.32.15"), asked)
    with pytest.raises(Refusal, match="the prompt is longer than the context length"):
        body(Behaviour("0.32.15"), request("x" * 50, options={"num_ctx": 20}, shift=False))


@pytest.mark.parametrize("version", ["0.24.0", "0.32.15"])
def test_the_mlx_runner_refuses_at_the_models_own_context(version: str) -> None:
    behaviour = Behaviour(version, "mlx", limit=30)
    assert done(behaviour, request("x" * 29, options={"num_ctx": 5}))["eval_count"] == 1
    with pytest.raises(Refusal, match=r"input length \(30 tokens\) exceeds .* \(30 tokens\)"):
        body(behaviour, request("x" * 30))


@pytest.mark.parametrize(("version", "count"), [("0.6.6", 100), ("0.24.0", 31), ("0.32.15", 31)])
def test_without_shift_a_full_context_ends_the_reply(version: str, count: int) -> None:
    asked = request("x" * 33, options={"num_ctx": 64, "num_predict": 100}, shift=False)
    last = done(Behaviour(version), asked)
    assert (last["done_reason"], last["eval_count"]) == ("length", count)


# Text.


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        ("gguf", [" caf\u00e9", " \U0001f600", " x"]),
        ("mlx", [" caf", "\u00e9", " ", "\U0001f600", " x"]),
    ],
)
def test_bytes_of_an_unfinished_character_wait(runner: Runner, expected: list[str]) -> None:
    pieces = (b" caf\xc3", b"\xa9", b" \xf0\x9f\x98", b"\x80", b" x")
    behaviour = Behaviour("0.24.0", runner, pieces=pieces)
    reply = messages(body(behaviour, request(options={"num_predict": 5})))
    assert [one["response"] for one in reply[:-1]] == expected
    assert reply[-1]["eval_count"] == 5


def test_an_unfinished_character_at_the_end_is_dropped() -> None:
    behaviour = Behaviour(pieces=(b" a", b" \xf0\x9f"))
    reply = messages(body(behaviour, request(options={"num_predict": 2})))
    assert [one["response"] for one in reply] == [" a", " ", ""]


@pytest.mark.parametrize(
    ("version", "runner", "operation", "ends"),
    [
        ("0.6.6", "gguf", "generate", True),
        ("0.24.0", "gguf", "chat", True),
        ("0.24.0", "mlx", "generate", False),
        ("0.32.15", "gguf", "generate", True),
        ("0.32.15", "gguf", "chat", False),
    ],
)
def test_more_than_thirty_repeats_end_the_stream_without_done(
    version: str, runner: Runner, operation: str, ends: bool
) -> None:
    behaviour = Behaviour(version, runner, pieces=(b"a", b" a"))
    asked = request(options={"num_predict": 40}, messages=[{"role": "user", "content": "x"}])
    reply = messages(body(behaviour, asked, operation))
    assert len(reply) == (31 if ends else 41)
    assert reply[-1]["done"] is not ends


def test_thirty_one_equal_pieces_are_still_a_whole_reply() -> None:
    asked = request(options={"num_predict": 31})
    assert done(Behaviour(pieces=(b"a",)), asked)["done_reason"] == "length"


def test_repeats_without_streaming_give_a_reply_that_is_not_done() -> None:
    asked = request(stream=False, options={"num_predict": 40})
    whole = done(Behaviour(pieces=(b"a",)), asked)
    assert (whole["done"], whole["response"]) == (False, "a" * 31)


@pytest.mark.parametrize("operation", ["generate", "chat"])
def test_thoughts_come_apart_in_newer_versions_and_in_the_text_of_old_ones(operation: str) -> None:
    behaviour = Behaviour("0.24.0", thoughts=2, pieces=(b" a", b" b", b" c"))
    asked = request(options={"num_predict": 7}, messages=[{"role": "user", "content": "x"}])
    field = "response" if operation == "generate" else "content"
    new = _said(messages(body(behaviour, asked, operation)))
    old = _said(messages(body(replace(behaviour, version="0.6.6"), asked, operation)))
    off = _said(messages(body(behaviour, asked | {"think": False}, operation)))
    assert _joined(new, "thinking") == "a b"
    assert _joined(new, field) == "c"
    assert _joined(old, field) == "<think>\n a b</think>\n\n c"
    assert (_joined(off, "thinking"), _joined(off, field)) == ("", " a b c a b c a")
    assert any(not one[field] and "thinking" not in one for one in new[:-1]) == (
        operation == "generate"
    )


def _said(reply: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one.get("message", one) for one in reply]


def _joined(said: list[dict[str, Any]], field: str) -> str:
    return "".join(one.get(field, "") for one in said)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_thinking_parser_does_not_mind_how_text_is_cut(size: int) -> None:
    text = " <think>\nif a < b and b </thin k</think>\n\nSo a<c.</think>"
    parser = ThinkingParser()
    out = [parser.add(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(thinking for thinking, _ in out) == "if a < b and b </thin k"
    assert "".join(answer for _, answer in out) == "So a<c.</think>"


def test_an_empty_piece_can_come_first() -> None:
    reply = messages(body(Behaviour(empty_first=True), request(think=False)))
    assert [bool(one["response"]) for one in reply] == [False, True, True, True, True, False]


# Layout, as the built servers write it.


@pytest.mark.parametrize("version", ["0.6.6", "0.24.0"])
def test_messages_look_like_the_real_ones(version: str) -> None:
    time_pattern = r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,8}[1-9]|\.[1-9])?Z"'
    head = r'\{"model":"qwen3:tiny","created_at":' + time_pattern
    metrics = (
        r'"prompt_eval_count":\d+,"prompt_eval_duration":\d+,"eval_count":2,"eval_duration":\d+'
    )
    metrics = r'"total_duration":\d+,"load_duration":\d+,' + metrics
    finish = r'"done":true,"done_reason":"length",'
    chat_finish = r'"done_reason":"length","done":true,' if version == "0.6.6" else finish
    context = r'"context":\[\d+(,\d+)*\],'
    text = r'"message":\{"role":"assistant","content":'
    options = {"num_predict": 2}
    user = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "options": options}
    behaviour = Behaviour(version, load_s=0.01)
    with OllamaDouble(behaviour) as double:
        first, _, last = ask(double, "POST", "/api/generate", request(raw=False, options=options))[
            2
        ].splitlines()
        *_, raw = ask(double, "POST", "/api/generate", request(options=options))[2].splitlines()
        chat_first, _, chat_last = ask(double, "POST", "/api/chat", user)[2].splitlines()
    for pattern, line in (
        (head + r',"response":" \w+","done":false\}', first),
        (head + r',"response":"",' + finish + context + metrics + r"\}", last),
        (head + r',"response":"",' + finish + metrics + r"\}", raw),
        (head + r"," + text + r'" \w+"\},"done":false\}', chat_first),
        (head + r"," + text + r'""\},' + chat_finish + metrics + r"\}", chat_last),
    ):
        assert re.fullmatch(pattern, line.decode()), line


def test_go_escapes_html_and_trims_times() -> None:
    assert b"\\u003cb\\u003e\\u0026" in body(Behaviour(pieces=(b"<b>&",)), request())
    assert rfc3339(1_700_000_000_120_000_000) == "2023-11-14T22:13:20.12Z"
    assert rfc3339(1_700_000_000_000_000_000) == "2023-11-14T22:13:20Z"
    assert rfc3339(1_700_000_000_000_000_001, -90) == "2023-11-14T20:43:20.000000001-01:30"


def test_a_checkpoints_tokenizer_counts_the_prompt(tiny_dense: Path) -> None:
    tokenizer = Tokenizer(tiny_dense)
    prompt = "Gardeners know which plants like the shade."
    last = done(Behaviour(encode=tokenizer.encode), request(prompt))
    assert last["prompt_eval_count"] == len(tokenizer.encode(prompt)) < len(prompt)
    chat = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    templated = "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"
    asked = chat | {"options": {"num_predict": 1}}
    counted = done(Behaviour(encode=tokenizer.encode), asked, "chat")["prompt_eval_count"]
    assert counted == len(tokenizer.encode(templated))
