"""The Ollama engine against a double of three versions: same work, known counts, left as found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxbench import engines
from mlxbench.engines.ollama import OllamaLoaded
from mlxbench.engines.ollama.counting import forwards_counted, sentence, version_of
from mlxbench.errors import InputError, MeasurementError
from mlxbench.records import (
    Arm,
    Completed,
    Failed,
    Generate,
    Message,
    Options,
    Sampler,
    Target,
    Timed,
    Trial,
)
from mlxbench.tokenizer import Tokenizer
from tests.ollama_double import RULES, Behaviour, ModelCard, OllamaDouble

REQUEST = Timed("request", prompt_tokens=40, generation_tokens=12)
ROWS = [(version, runner) for (version, runner) in RULES]
FULL_VERSION = {"0.6": "0.6.6", "0.24": "0.24.0", "0.32": "0.32.15"}
CHAT = Generate((Message("user", "Hello?"),), Sampler(0.6, 0.95, 20), token_budget=8)

Opening = Callable[..., tuple[OllamaDouble, OllamaLoaded]]


@pytest.fixture
def opening(tiny_dense: Path) -> Iterator[Opening]:
    """Start a double and open its model."""
    encode = Tokenizer(tiny_dense).encode
    with ExitStack() as stack:

        def start(
            models: tuple[ModelCard, ...] = (ModelCard(),), unload: bool = False, **behaviour: Any
        ) -> tuple[OllamaDouble, OllamaLoaded]:
            double = OllamaDouble(Behaviour(encode=encode, **behaviour), models)
            stack.enter_context(double)
            loaded = engines.engine("ollama").open(target(double, tiny_dense, unload))
            assert isinstance(loaded, OllamaLoaded)
            stack.callback(loaded.close)
            return double, loaded

        yield start


def target(double: OllamaDouble, tokenizer: Path | None, unload: bool = False) -> Target:
    place = str(tokenizer) if tokenizer else None
    return Target(
        "ollama", "qwen3:tiny", double.url, source="server", tokenizer=place, unload=unload
    )


def completed(trial: Trial) -> Completed:
    assert isinstance(trial, Completed), trial
    return trial


def failed(trial: Trial) -> Failed:
    assert isinstance(trial, Failed), trial
    assert trial.message.isprintable()
    return trial


def common_tps(trial: Completed) -> float:
    return (trial.generated_tokens - 1) / (trial.stamps[-1] - trial.stamps[0])


@pytest.mark.parametrize(("era", "runner"), ROWS)
def test_every_version_gives_the_common_rate_and_its_own(
    opening: Opening, era: str, runner: str
) -> None:
    _, loaded = opening(version=FULL_VERSION[era], runner=runner, token_s=0.004, sample_s=0.0)
    trial = completed(loaded.run(REQUEST, Options(), seed=3))
    assert (trial.clock, trial.prompt_tokens, trial.generated_tokens) == ("server", 40, 12)
    assert len(trial.stamps) == 12
    assert common_tps(trial) == pytest.approx(1 / 0.004, rel=0.005)
    counted = forwards_counted(version_of(FULL_VERSION[era]), runner)  # type: ignore[arg-type]
    expected = {"N-1": 12 / 11, "N": 1.0}[counted]
    assert trial.native["decode_tps"] / common_tps(trial) == pytest.approx(expected, rel=0.005)
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.serving["version"] == FULL_VERSION[era]
    assert loaded.checkpoint.serving["counting"]


def test_the_counting_rules_are_those_of_the_double() -> None:
    for (era, runner), rules in RULES.items():
        version = version_of(FULL_VERSION[era])
        assert forwards_counted(version, runner) == rules.forwards.replace("S", "N")
        excluded = "without the time to draw" in sentence(version, runner)
        assert excluded == (rules.samples == "none")


def test_what_serves_the_model_is_recorded(opening: Opening) -> None:
    _, loaded = opening()
    found = loaded.checkpoint
    assert found is not None
    assert (found.source, found.quantization, found.model_type) == (
        "server",
        {"": "Q4_K_M"},
        "qwen3",
    )
    assert found.bits_per_weight == pytest.approx(8 * 3_407_533 / 5_245_184)
    assert found.fingerprint == ModelCard().digest


def test_the_request_is_the_same_work_as_in_process(opening: Opening, tiny_dense: Path) -> None:
    double, loaded = opening()
    loaded.run(REQUEST, Options(), seed=3)
    (asked,) = double.asked("generate")
    body = asked.body
    assert (body["raw"], body["think"], body["stream"], body["keep_alive"]) == (
        True,
        False,
        True,
        -1,
    )
    assert (body["truncate"], body["shift"]) == (False, False)
    options = body["options"]
    wanted = {"temperature": 0.0, "top_k": 1, "repeat_penalty": 1.0, "num_predict": 12, "stop": []}
    assert {key: options[key] for key in wanted} == wanted
    assert options["num_ctx"] >= 40 + 12
    assert len(Tokenizer(tiny_dense).encode(body["prompt"])) == 40


def test_prompts_differ_from_their_first_token_on(opening: Opening, tiny_dense: Path) -> None:
    double, loaded = opening()
    for seed in range(6):
        completed(loaded.run(REQUEST, Options(), seed))
    encode = Tokenizer(tiny_dense).encode
    firsts = [encode(request.body["prompt"])[0] for request in double.asked("generate")]
    assert len(set(firsts)) == 6


def test_the_model_is_loaded_once_for_tasks_of_several_lengths(opening: Opening) -> None:
    double, loaded = opening()
    for task in (REQUEST, replace(REQUEST, generation_tokens=6), replace(REQUEST, kind="prefill")):
        completed(loaded.run(task, Options(), seed=task.generation_tokens))
    assert len(double.loads) == 1


def test_a_prefill_is_one_token_and_its_time_is_that_until_it_came(opening: Opening) -> None:
    _, loaded = opening(prompt_token_s=0.001)
    trial = completed(loaded.run(replace(REQUEST, kind="prefill"), Options(), seed=1))
    assert len(trial.stamps) == 1
    assert trial.stamps[0] == pytest.approx(0.04, rel=0.2)
    assert trial.native["prefill_tps"] == pytest.approx(1000, rel=0.1)


def test_held_back_bytes_and_empty_pieces_do_not_shift_the_rate(opening: Opening) -> None:
    pieces = (b" one", b" na", b"\xc3", b"\xaf", b"ve")
    _, loaded = opening(pieces=pieces, empty_first=True, token_s=0.004, sample_s=0.0)
    trial = completed(loaded.run(REQUEST, Options(), seed=1))
    assert len(trial.stamps) < trial.generated_tokens == 12
    assert common_tps(trial) == pytest.approx(1 / 0.004, rel=0.005)


def test_a_first_piece_of_several_tokens_is_not_taken_for_one(opening: Opening) -> None:
    _, loaded = opening(pieces=(b"\xc3", b"\xaf", b"ve"))
    assert "several tokens" in failed(loaded.run(REQUEST, Options(), seed=1)).message


def test_a_last_token_without_text_does_not_raise_the_rate(opening: Opening) -> None:
    # Of 12 tokens the last one is a byte that never becomes a character.
    pieces = (*(f" {word}".encode() for word in "abcdefghijk"), b"\xe4")
    _, loaded = opening(pieces=pieces, token_s=0.01, sample_s=0.0)
    trial = completed(loaded.run(REQUEST, Options(), seed=1))
    assert common_tps(trial) == pytest.approx(100, rel=0.02)


def test_a_first_token_without_text_is_noticed(opening: Opening) -> None:
    pieces = (b"\xe4", *(f" {word}".encode() for word in "abcdefghijk"))
    _, loaded = opening(version="0.6.6", pieces=pieces, token_s=0.01, sample_s=0.0)
    trial = failed(loaded.run(REQUEST, Options(), seed=1))
    assert trial.reason == "bad_reply"


def test_a_reload_during_a_trial_is_a_failure(opening: Opening) -> None:
    _, loaded = opening(warm_load_s=0.6)
    assert "loaded the model again" in failed(loaded.run(REQUEST, Options(), seed=1)).message


def test_a_reply_that_ends_early_is_a_failure(opening: Opening) -> None:
    _, loaded = opening(stop_after=5)
    trial = failed(loaded.run(REQUEST, Options(), seed=1))
    assert trial.reason == "early_stop"
    assert "of 12 tokens came" in trial.message


def test_a_stop_at_the_last_token_is_a_failure_too(opening: Opening) -> None:
    _, loaded = opening(stop_after=11)  # with EOS the server counts 12
    assert failed(loaded.run(REQUEST, Options(), seed=1)).reason == "early_stop"


def test_a_repeated_piece_that_ends_the_stream_is_a_failure(opening: Opening) -> None:
    _, loaded = opening(pieces=(b" same",))
    task = replace(REQUEST, generation_tokens=60)
    assert failed(loaded.run(task, Options(), seed=1)).reason == "no_done"


def test_a_reported_cache_hit_is_a_failure(opening: Opening) -> None:
    _, loaded = opening(version="0.32.15", reports_cached=True)
    completed(loaded.run(REQUEST, Options(), seed=1))
    trial = failed(loaded.run(REQUEST, Options(), seed=1))
    assert (trial.reason, "of 40 prompt tokens" in trial.message) == ("cache_hit", True)


def test_an_unreported_cache_hit_shows_in_an_impossible_prompt_rate(opening: Opening) -> None:
    _, loaded = opening(version="0.6.6", prompt_token_s=0.001)
    for seed in range(4):
        completed(loaded.run(REQUEST, Options(), seed))
    assert failed(loaded.run(REQUEST, Options(), seed=3)).reason == "cache_hit"


def test_a_prompt_that_is_counted_otherwise_is_a_failure(opening: Opening) -> None:
    double, loaded = opening()
    double.behaviour = replace(double.behaviour, encode=lambda text: text.encode())
    trial = failed(loaded.run(REQUEST, Options(), seed=1))
    assert trial.reason == "wrong_count"
    assert "40 were sent" in trial.message


def test_a_prompt_over_the_models_context_is_refused(opening: Opening) -> None:
    _, loaded = opening(limit=64)
    with pytest.raises(InputError, match="has a context of 64 tokens, and 60 \\+ 12"):
        loaded.run(replace(REQUEST, prompt_tokens=60), Options(), seed=1)


@pytest.mark.parametrize(
    ("task", "options", "what"),
    [
        (replace(REQUEST, depth=8), Options(), "cannot do depth 8"),
        (replace(REQUEST, batch_size=2), Options(), "cannot do batch size 2"),
        (replace(REQUEST, mode="stepped"), Options(), "cannot do stepped mode"),
        (replace(REQUEST, kind="decode"), Options(), "without its own prompt"),
        (REQUEST, Options(kv_bits=8), "cannot quantise the KV cache"),
    ],
)
def test_what_ollama_cannot_do_is_refused_by_name_before_anything_is_opened(
    task: Timed, options: Options, what: str
) -> None:
    nowhere = Target("ollama", "qwen3:tiny", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=what):
        engines.engine("ollama").predict_memory(nowhere, [Arm(nowhere, task, options)])


def test_a_model_that_ollama_does_not_have_is_said_in_one_line(tiny_dense: Path) -> None:
    with (
        OllamaDouble(Behaviour(), (ModelCard("other:1b"),)) as double,
        pytest.raises(MeasurementError, match=r"qwen3:tiny.*not found.*ollama list"),
    ):
        engines.engine("ollama").open(target(double, tiny_dense))


def test_without_a_tokenizer_no_prompt_can_be_made() -> None:
    with OllamaDouble(Behaviour()) as double:
        loaded = engines.engine("ollama").open(target(double, None))
        with pytest.raises(InputError, match="no tokenizer is known for qwen3:tiny"):
            loaded.run(REQUEST, Options(), seed=1)
        loaded.close()


def test_a_chat_goes_through_the_models_template_with_its_thoughts_apart(opening: Opening) -> None:
    double, loaded = opening(thoughts=3)
    trial = completed(loaded.run(CHAT, Options(), seed=7))
    assert trial.text is not None
    assert trial.text.startswith("<think>\n")
    assert "</think>\n\n" in trial.text
    (asked,) = double.asked("chat")
    assert asked.body["messages"] == [{"role": "user", "content": "Hello?"}]
    assert asked.body["options"]["temperature"] == 0.6
    assert "think" not in asked.body


def test_thinking_can_be_turned_off_and_suffixes_made_unique(opening: Opening) -> None:
    double, loaded = opening(thoughts=3, stop_after=6)
    task = replace(CHAT, thinking=False, unique=True)
    trial = completed(loaded.run(task, Options(), seed=7))
    assert (trial.finish_reason, "<think>" in (trial.text or "")) == ("stop", False)
    (asked,) = double.asked("chat")
    assert asked.body["think"] is False
    assert asked.body["messages"][0]["content"] == "Hello? [7]"


def test_a_model_that_is_only_partly_on_the_accelerator_is_noticed(opening: Opening) -> None:
    _, loaded = opening(vram_share=0.5)
    trial = completed(loaded.run(REQUEST, Options(), seed=1))
    assert [notice.code for notice in trial.notices] == ["partly-on-cpu"]
    assert "50%" in trial.notices[0].message


def test_nothing_that_is_stored_is_infinite(opening: Opening) -> None:
    _, loaded = opening()
    trial = completed(loaded.run(REQUEST, Options(), seed=1))
    assert all(map(math.isfinite, [*trial.stamps, *trial.native.values(), trial.duration_s]))
