"""The double as a server: endpoints, loaded models, refusals.

Texts and statuses are those of the built servers of 0.6.6 and 0.24.0.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.ollama_double import Behaviour, ModelCard, OllamaDouble, Resident
from tests.ollama_double.client import MODEL, ask, error, messages, post, raw_socket, request
from tests.ollama_double.golang import GoError, parse_duration

FAST = Behaviour("0.24.0", token_s=0.0, load_s=0.0, unload_s=0.3)
OLD = replace(FAST, version="0.6.6")
MISMATCH = "json: cannot unmarshal %s into Go struct field GenerateRequest"
USER = [{"role": "user", "content": "x"}]


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(FAST) as server:
        yield server


def processes(double: OllamaDouble) -> list[dict[str, Any]]:
    """What /api/ps lists."""
    listed: list[dict[str, Any]] = json.loads(ask(double, "GET", "/api/ps")[2])["models"]
    return listed


def seconds_left(process: dict[str, Any]) -> float:
    """Until a model leaves."""
    return (datetime.fromisoformat(process["expires_at"]) - datetime.now(UTC)).total_seconds()


def gone(double: OllamaDouble) -> bool:
    """Whether every model leaves within some seconds."""
    deadline = time.monotonic() + 5
    while processes(double) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not processes(double)


def test_it_says_its_version_and_that_it_runs(double: OllamaDouble) -> None:
    assert ask(double, "GET", "/api/version")[2] == b'{"version":"0.24.0"}'
    assert ask(double, "GET", "/")[2] == b"Ollama is running"


def test_unknown_paths_and_methods_answer_as_go_does(double: OllamaDouble) -> None:
    assert ask(double, "GET", "/api/nothing")[::2] == (404, b"404 page not found")
    assert ask(double, "GET", "/api/generate")[::2] == (405, b"405 method not allowed")
    double.behaviour = OLD
    assert ask(double, "GET", "/api/generate")[::2] == (404, b"404 page not found")


def test_installed_models_are_listed_and_described(double: OllamaDouble) -> None:
    (tag,) = json.loads(ask(double, "GET", "/api/tags")[2])["models"]
    shown = post(double, {"model": MODEL.upper()}, "/api/show")
    assert (tag["name"], tag["size"]) == (MODEL, 3_407_533)
    assert shown["details"] == tag["details"]
    assert shown["details"]["quantization_level"] == "Q4_K_M"
    assert shown["model_info"]["general.architecture"] == "qwen3"
    assert shown["model_info"]["qwen3.context_length"] == 40960
    assert shown["model_info"]["general.file_type"] == 15
    assert "thinking" in shown["capabilities"]
    assert "<think>" in shown["template"]


def test_models_of_the_mlx_runner_are_safetensors(double: OllamaDouble) -> None:
    double.behaviour = replace(FAST, runner="mlx")
    shown = post(double, {"name": MODEL}, "/api/show")
    assert shown["details"]["format"] == "safetensors"
    assert "general.file_type" not in shown["model_info"]


def test_an_empty_prompt_loads_and_with_keep_alive_zero_unloads(double: OllamaDouble) -> None:
    assert post(double, {"model": MODEL})["done_reason"] == "load"
    assert post(double, {"model": MODEL}, "/api/chat")["message"]["content"] == ""
    assert [one["name"] for one in processes(double)] == [MODEL]
    assert post(double, {"model": MODEL, "keep_alive": 0})["done_reason"] == "unload"
    assert seconds_left(processes(double)[0]) < 0, "it is still listed for a moment"
    assert gone(double)
    assert [r.operation for r in double.requests if r.method == "POST"] == ["load"] * 2 + ["unload"]


def test_a_loaded_model_is_described_with_its_context_in_newer_versions_only(
    double: OllamaDouble,
) -> None:
    double.behaviour = replace(FAST, vram_share=0.5)
    post(double, {"model": MODEL, "options": {"num_ctx": 512}})
    (found,) = processes(double)
    assert found["context_length"] == 512
    assert found["size_vram"] == found["size"] // 2
    assert found["expires_at"].endswith("+02:00")
    double.behaviour = OLD
    assert "context_length" not in processes(double)[0]


def test_another_context_or_batch_loads_again_except_in_the_mlx_runner(
    double: OllamaDouble,
) -> None:
    for options in ({}, {"seed": 5}, {"num_ctx": 512}, {"num_ctx": 512}, {"num_batch": 64}):
        post(double, {"model": MODEL, "options": options})
    assert double.loads == [(MODEL, 4096), (MODEL, 512), (MODEL, 4096)]
    double.behaviour = replace(FAST, runner="mlx")
    for size in (128, 256):
        post(double, {"model": MODEL, "options": {"num_ctx": size}})
    assert double.loads[3:] == [(MODEL, 40960)]


def test_loading_again_empties_the_prompt_cache() -> None:
    behaviour = replace(FAST, prompt_token_s=0.0001)
    with OllamaDouble(behaviour) as double:
        asked = request("0123456789", stream=False)
        first, second = (post(double, asked)["prompt_eval_duration"] for _ in range(2))
        third = post(double, request("0123456789", stream=False, options={"num_ctx": 999}))
    assert second < first == third["prompt_eval_duration"]


def test_loading_shows_in_load_duration_which_is_never_zero() -> None:
    with OllamaDouble(replace(FAST, load_s=0.03)) as double:
        cold, warm = (post(double, request(stream=False))["load_duration"] for _ in range(2))
    assert (cold, warm) == (30_000_000, 1_500_000)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (-1, 9_223_372_036.85),
        ("-1s", 9_223_372_036.85),
        (90, 90.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        (None, 300.0),
    ],
)
def test_keep_alive_is_a_number_or_a_duration(
    double: OllamaDouble, given: Any, seconds: float
) -> None:
    post(double, {"model": MODEL, "keep_alive": given})
    assert seconds_left(processes(double)[0]) == pytest.approx(seconds, abs=2.0)


def test_half_a_second_unloads_at_once_in_0_6(double: OllamaDouble) -> None:
    half = {"model": MODEL, "keep_alive": 0.5}
    assert post(double, half)["done_reason"] == "load"
    double.behaviour = OLD
    assert post(double, half)["done_reason"] == "unload"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("-1", 'time: missing unit in duration "-1"'),
        ("5", 'time: missing unit in duration "5"'),
        ("", 'time: invalid duration ""'),
        ("soon", 'time: invalid duration "soon"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        (True, "Unsupported type: 'bool'"),
        ([], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_a_wrong_keep_alive_is_refused(double: OllamaDouble, given: Any, text: str) -> None:
    assert error(double, {"model": MODEL, "keep_alive": given}) == (400, text)


def test_durations_are_read_as_go_does() -> None:
    for text, expected in (
        ("0", 0),
        ("1m2.5s", 62_500_000_000),
        ("-.5ms", -500_000),
        ("+1us", 1000),
    ):
        assert parse_duration(text) == expected
    for text in ("1", ".", "s", "1s2", " 1s", "1 s"):
        with pytest.raises(GoError):
            parse_duration(text)


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (b"", 400, "missing request body"),
        (b"{", 400, "unexpected EOF"),
        (b"[1]", 400, "json: cannot unmarshal array into Go value of type api.GenerateRequest"),
        (
            b'{"model":5}',
            400,
            f"{MISMATCH % 'number'}.model of type string",
        ),
        (
            b'{"model":"x","stream":"yes"}',
            400,
            f"{MISMATCH % 'string'}.stream of type bool",
        ),
        ({"model": "nope", "prompt": "x"}, 404, "model 'nope' not found"),
        ({}, 404, "model '' not found"),
        (
            request(system="s"),
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            {"model": MODEL, "options": [1]},
            400,
            f"{MISMATCH % 'array'}.options of type map[string]interface {{}}",
        ),
        (request(options={"num_ctx": "2048"}), 500, 'option "num_ctx" must be of type integer'),
        (request(options={"num_ctx": True}), 500, 'option "num_ctx" must be of type integer'),
        (
            request(options={"temperature": "hot"}),
            500,
            'option "temperature" must be of type float32',
        ),
        (request(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
        (request(options={"stop": [1]}), 500, 'option "stop" must be of an array of strings'),
        (request(options={"use_mmap": 1}), 500, 'option "use_mmap" must be of type boolean'),
    ],
)
def test_wrong_requests_are_refused_with_the_real_words(
    double: OllamaDouble, sent: Any, status: int, text: str
) -> None:
    assert error(double, sent) == (status, text)
    double.behaviour = OLD
    assert error(double, sent) == (status, text)


def test_unknown_options_and_fields_are_ignored(double: OllamaDouble) -> None:
    asked = request(stream=False, ignore_eos=True, options={"logit_bias": [], "top_k": None})
    assert post(double, asked)["eval_count"] == 4


def test_think_is_checked_by_newer_versions_only(double: OllamaDouble) -> None:
    levels = '"high", "medium", "low", "max", true, or false'
    assert error(double, request(think="very")) == (
        400,
        f'invalid think value: "very" (must be {levels})',
    )
    assert error(double, request(think=3)) == (400, f"think must be a boolean or string ({levels})")
    double.models = [ModelCard(thinks=False)]
    assert error(double, request(think=True)) == (400, f'"{MODEL}" does not support thinking')
    assert post(double, request(think=False, stream=False))["done"] is True
    double.behaviour = OLD
    assert post(double, request(think="very", stream=False))["done"] is True


def test_an_unknown_model_in_a_chat_has_other_words_in_0_6(double: OllamaDouble) -> None:
    asked = {"model": "nope", "messages": USER}
    assert error(double, asked, "/api/chat") == (404, "model 'nope' not found")
    assert error(double, {}, "/api/chat") == (400, "model is required")
    assert error(double, {}, "/api/show") == (400, "model is required")
    double.behaviour = OLD
    assert error(double, asked, "/api/chat") == (
        404,
        'model "nope" not found, try pulling it first',
    )


def test_without_streaming_the_reply_is_one_document(double: OllamaDouble) -> None:
    status, headers, sent = ask(double, "POST", "/api/generate", request(stream=False))
    whole = json.loads(sent)
    streamed = ask(double, "POST", "/api/generate", request())
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert streamed[1]["Content-Type"] == "application/x-ndjson"
    assert streamed[1]["Transfer-Encoding"] == "chunked"
    assert whole["response"] == "".join(one["response"] for one in messages(streamed[2]))
    assert "context" not in whole


def test_no_message_leaves_before_its_time() -> None:
    with OllamaDouble(replace(FAST, token_s=0.02)) as double:
        started = time.time()
        post(double, request(stream=False))
        assert time.time() - started > 0.06


def test_residents_may_be_added_and_requests_are_recorded(double: OllamaDouble) -> None:
    double.residents.append(Resident(ModelCard("other")))
    ask(double, "POST", "/api/generate", request())
    assert [one["name"] for one in processes(double)] == ["other:latest", MODEL]
    (sent,) = double.asked("generate")
    assert (sent.method, sent.path, sent.body) == ("POST", "/api/generate", request())
    assert sent.headers["host"] == double.url.removeprefix("http://")


def test_upcoming_behaviours_are_used_once_each(double: OllamaDouble) -> None:
    double.upcoming.append(replace(FAST, fault="error_status"))
    post(double, {"model": MODEL})
    statuses = [ask(double, "POST", "/api/generate", request())[0] for _ in range(2)]
    assert statuses == [500, 200]


def test_a_client_that_goes_away_frees_the_server() -> None:
    with OllamaDouble(replace(FAST, token_s=0.005)) as double:
        connection = raw_socket(double, request(options={"num_predict": 100_000}))
        connection.recv(1)
        connection.close()
        assert post(double, request(stream=False))["eval_count"] == 4
    assert [one.finished for one in double.asked("generate")] == [False, True]


def test_no_thread_outlives_the_server() -> None:
    before = set(threading.enumerate())
    with OllamaDouble(replace(FAST, fault="stall")) as double:
        connection = raw_socket(double, request())
        idle = raw_socket(double, {"model": MODEL}, "/api/show")
        idle.recv(1)
    connection.close()
    idle.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert set(threading.enumerate()) <= before


def test_an_old_version_has_no_mlx_runner() -> None:
    with pytest.raises(ValueError, match=r"0\.6\.6 has no mlx runner"):
        Behaviour("0.6.6", "mlx")


def test_a_short_keep_alive_ends(double: OllamaDouble) -> None:
    post(double, {"model": MODEL, "keep_alive": "50ms"})
    assert gone(double)
