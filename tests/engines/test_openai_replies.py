"""What an OpenAI-compatible server is asked, and what becomes of its good answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlxbench.records import Generate, Options, Sampler
from mlxbench.tokenizer import Tokenizer
from tests.engines.openai_asking import (
    CHAT,
    COUNTS,
    END,
    GOOD,
    RATES,
    REQUEST,
    WORDS,
    N,
    P,
    completed,
    loaded,
)
from tests.engines.openai_double import DONE, Answer, double, paced, piece, stream, usage


def test_a_timed_request_asks_for_exactly_the_work_of_the_task(tiny_moe: Path) -> None:
    with double(GOOD) as server:
        opened = loaded(server, tiny_moe)
        opened.run(REQUEST, Options(), seed=5)
        asked = server.asked[-1]
    body = dict(asked.body)
    assert asked.path == "/v1/completions"
    assert len(Tokenizer(tiny_moe).encode(body.pop("prompt"))) == P
    assert body.pop("cache_salt")
    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": N,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 5,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "ignore_eos": True,
    }


def test_a_chat_asks_with_its_sampler_and_says_whether_to_think(tiny_moe: Path) -> None:
    sampler = Sampler(0.6, 0.95, 20, seed=3)
    with double(stream({"content": "Hi"}, prompt=9)) as server:
        opened = loaded(server, None)
        opened.run(Generate(CHAT.messages, sampler, N, thinking=False, unique=True), Options(), 4)
        asked = server.asked[-1]
    assert asked.path == "/v1/chat/completions"
    assert asked.body["messages"] == [{"role": "user", "content": "Hello [4]"}]
    assert asked.body["chat_template_kwargs"] == {"enable_thinking": False}
    chosen = {name: asked.body[name] for name in ("temperature", "top_p", "top_k", "min_p", "seed")}
    assert chosen == {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "seed": 7}


def test_counts_come_from_usage_and_times_from_pieces(tiny_moe: Path) -> None:
    trial = completed(GOOD, tiny_moe)
    assert (trial.prompt_tokens, trial.generated_tokens, len(trial.stamps)) == (P, N, N)
    assert trial.text == " a b c d"
    assert trial.native == {"eval_count": 4.0, "prompt_eval_count": 20.0, "pieces": 4.0}
    assert 0 < trial.stamps[0] < trial.stamps[-1] <= trial.duration_s


def test_empty_pieces_before_the_first_text_are_not_the_first_token(tiny_moe: Path) -> None:
    late = Answer([piece(""), b": keepalive 1/2\n\n", 0.1, *GOOD.parts])
    assert completed(late, tiny_moe).stamps[0] > 0.1


def test_a_last_token_without_text_ends_where_the_server_says_so(tiny_moe: Path) -> None:
    parts: list[bytes | float] = [*map(piece, WORDS[:3]), 0.1, END, COUNTS, DONE]
    trial = completed(Answer(parts), tiny_moe)
    assert trial.stamps[-1] - trial.stamps[0] > 0.09
    assert len(trial.stamps) < N  # no gap of a single token can be read from them


def test_rates_of_llama_server_are_its_native_figures(tiny_moe: Path) -> None:
    trial = completed(stream(*WORDS, prompt=P, timings=RATES), tiny_moe)
    assert (trial.native["prefill_tps"], trial.native["decode_tps"]) == (512.5, 40.25)


def test_a_stream_may_leave_out_done_and_use_every_liberty_of_its_format(tiny_moe: Path) -> None:
    split = json.dumps({"choices": [], "usage": usage(P, N)}, indent=1).replace("\n", "\ndata:")
    fields = b"retry: 10\r\n: hello\r\n\r\nevent: message\r\n"
    events = [one.replace(b"\n", b"\r\n") for one in (*map(piece, WORDS), END)]
    answer = paced(fields + events[0], *events[1:], f"data: {split}".encode())
    assert completed(answer, tiny_moe).text == " a b c d"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_that_come_apart_stand_before_the_answer(tiny_moe: Path, name: str) -> None:
    deltas = [{"role": "assistant", "content": ""}, {name: "\nwhy"}, {name: "\n"}]
    answer = stream(*deltas, {"content": "\n\nyes"}, prompt=9, generated=4, finish="stop")
    trial = completed(answer, tiny_moe, CHAT)
    assert trial.text == "<think>\nwhy\n</think>\n\nyes"
    assert (trial.finish_reason, trial.prompt_tokens, trial.generated_tokens) == ("stop", 9, 4)


@pytest.mark.parametrize("rate", [None, 0, 0.0])
def test_a_rate_that_the_server_does_not_know_is_left_out(tiny_moe: Path, rate: Any) -> None:
    answer = stream(*WORDS, prompt=P, timings={**RATES, "predicted_per_second": rate})
    assert "decode_tps" not in completed(answer, tiny_moe).native
