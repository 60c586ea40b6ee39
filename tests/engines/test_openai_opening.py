"""Which servers, models and tasks the engine accepts, before anything is timed."""

from __future__ import annotations

import pytest

from mlxbench.engines import openai
from mlxbench.errors import InputError, MeasurementError
from mlxbench.records import Arm, Options, Target, Task, Timed
from tests.engines.openai_asking import GOOD, REQUEST, loaded
from tests.engines.openai_double import Answer, document, double, listing


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (Timed("decode"), Options(), "a decode without its own prompt"),
        (Timed("request", depth=64), Options(), "depth 64"),
        (Timed("prefill", batch_size=2), Options(), "batch size 2"),
        (Timed("request", mode="stepped"), Options(), "stepped mode"),
        (REQUEST, Options(kv_bits=8), "cannot quantise the KV cache"),
    ],
)
def test_what_no_server_can_be_asked_is_refused_by_name(
    task: Task, options: Options, words: str
) -> None:
    arm = Arm(Target("openai", "m", "http://127.0.0.1:9"), task, options)
    with pytest.raises(InputError, match=words):
        openai.predict_memory(arm.target, [arm])


def test_a_timed_task_needs_a_tokenizer() -> None:
    with double(GOOD) as server, pytest.raises(InputError, match="no tokenizer is known for m"):
        loaded(server, None).run(REQUEST, Options(), 0)


def test_an_unlisted_model_is_refused_with_some_that_are_listed() -> None:
    names = [f"model-{number}" for number in range(9)]
    with double(GOOD, listing(*names)) as server, pytest.raises(InputError) as caught:
        openai.open(Target("openai", "m", server.url))
    assert "has no model 'm'" in caught.value.problem
    assert caught.value.advice.endswith("model-0, model-1, model-2, model-3, model-4 and 4 more")


@pytest.mark.parametrize("models", [listing(), document({"data": None}), document({})])
def test_a_server_that_lists_nothing_is_believed(models: Answer) -> None:
    with double(GOOD, models) as server:
        openai.open(Target("openai", "m", server.url)).close()


@pytest.mark.parametrize("models", [document({}, 404), Answer([b"<html>"]), Answer([])])
def test_what_is_no_such_server_is_refused_in_one_line(models: Answer) -> None:
    with double(GOOD, models) as server, pytest.raises(MeasurementError) as caught:
        openai.open(Target("openai", "m", server.url))
    assert str(caught.value).startswith(f"cannot use {server.url} for m: ")
    assert "\n" not in str(caught.value)


META = {"size": 900, "n_params": 1600, "ftype": "Q4_K - Medium"}


@pytest.mark.parametrize(
    ("models", "program"),
    [
        (listing("m", owned_by="llamacpp", meta=META), "llama-server"),
        (listing("m", owned_by="vllm"), "vLLM"),
        (listing("m", owned_by="organization_owner"), "LM Studio"),
        (listing("m", owned_by="library"), "Ollama"),
        (listing("m", owned_by="somebody"), "OpenAI-compatible server"),
        (listing("m"), "mlx_lm.server"),
    ],
)
def test_the_program_is_told_by_what_it_lists(models: Answer, program: str) -> None:
    with double(GOOD, models) as server:
        checkpoint = openai.open(Target("openai", "m", server.url)).checkpoint
    assert checkpoint is not None
    assert checkpoint.serving["program"] == program
    assert program in str(checkpoint.serving["counting"])
    if program == "llama-server":
        assert (checkpoint.weight_bytes, checkpoint.bits_per_weight) == (900, 4.5)
        assert checkpoint.quantization == {"": "Q4_K - Medium"}


def test_a_remote_address_is_refused_unless_it_was_allowed() -> None:
    with pytest.raises(InputError, match="not on this machine"):
        openai.open(Target("openai", "m", "http://192.0.2.1:8000/v1"))
