"""Whatever Ollama, or what answers in its place, does wrong: a typed failure, one line, no harm."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.engines.ollama import OllamaLoaded, facts, reply
from mlxbench.engines.ollama.api import Api
from mlxbench.errors import MeasurementError
from mlxbench.http_client import Client, Limits, Line, ServerFault, parse_address
from mlxbench.records import Completed, Failed, Options, Target, Timed, Trial
from mlxbench.store.codec import pack_stamps, to_json
from mlxbench.tokenizer import Tokenizer
from tests.ollama_double import FAULTS, Behaviour, OllamaDouble, random_replies

REQUEST = Timed("request", prompt_tokens=20, generation_tokens=8)
SHORT = Limits(total_s=1.5, idle_s=0.5)
# What each fault must be called. A fault that is missing here fails the test below.
REASONS: dict[str, set[str]] = {
    fault: set(reasons)
    for faults, reasons in (
        ("drip_headers drip_feed drip_newlines stall stall_body stall_stream", ["timeout"]),
        ("truncated dies", ["connection", "bad_reply", "no_done"]),
        ("no_done empty_body", ["no_done"]),
        ("giant_line giant_body", ["too_large"]),
        ("not_json not_json_stream json_not_object cut_line invalid_utf8", ["bad_reply"]),
        ("error_status busy not_found redirect error_without_text secret_echo", ["http_error"]),
        ("error_in_stream escapes escapes_in_stream", ["http_error"]),
        ("negative_duration huge_duration nan_duration zero_duration", ["bad_reply"]),
        ("string_count fractional_count no_eval_duration", ["bad_reply"]),
        ("missing_created_at created_at_backwards created_at_no_time", ["bad_reply"]),
        ("duplicate_done goes_on", ["bad_reply"]),
        ("wrong_prompt_count", ["wrong_count"]),
        ("context_shift", ["context_shift"]),
        ("missing_metrics", ["bad_reply"]),
        ("wrong_eval_count", ["wrong_count"]),
        ("early_stop", ["early_stop"]),
        ("cache_hit", ["cache_hit"]),
    )
    for fault in faults.split()
}


@pytest.fixture(scope="module")
def double(tiny_dense: Path) -> Iterator[OllamaDouble]:
    with OllamaDouble(Behaviour(encode=Tokenizer(tiny_dense).encode, token_s=0.001)) as running:
        yield running


@pytest.fixture
def loaded(double: OllamaDouble, tiny_dense: Path) -> Iterator[OllamaLoaded]:
    double.behaviour = replace(double.behaviour, fault=None)
    client = Client(parse_address(double.url, 11434, allow_remote=False))
    target = Target("ollama", "qwen3:tiny", double.url, "server", tokenizer=str(tiny_dense))
    opened = OllamaLoaded(target, Api(client, SHORT))
    yield opened
    double.behaviour = replace(double.behaviour, fault=None)
    opened.close()


def harmless(trial: Trial) -> None:
    """What may be stored and shown: finite numbers, printable messages."""
    if isinstance(trial, Failed):
        assert trial.message.isprintable()
        assert len(trial.message) < 500
        return
    pack_stamps(trial.stamps)
    json.loads(to_json(trial.native))
    assert trial.generated_tokens == REQUEST.generation_tokens
    assert trial.prompt_tokens == REQUEST.prompt_tokens
    assert all(map(math.isfinite, trial.native.values()))
    assert trial.stamps[-1] > trial.stamps[0]


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"canned"}))
def test_every_fault_is_a_failure_with_its_name(
    double: OllamaDouble, loaded: OllamaLoaded, fault: str
) -> None:
    assert isinstance(loaded.run(REQUEST, Options(), seed=1), Completed)
    double.behaviour = replace(double.behaviour, fault=fault)
    began = time.monotonic()
    trial = loaded.run(REQUEST, Options(), seed=2)
    assert time.monotonic() - began < SHORT.total_s + 2
    assert isinstance(trial, Failed)
    harmless(trial)
    assert trial.reason in REASONS[fault], trial


def test_after_every_fault_the_next_trial_is_good(
    double: OllamaDouble, loaded: OllamaLoaded
) -> None:
    for seed, fault in enumerate(["dies", "truncated", "not_json", "stall_stream"]):
        double.behaviour = replace(double.behaviour, fault=fault)
        assert isinstance(loaded.run(REQUEST, Options(), seed=10 + 2 * seed), Failed)
        double.behaviour = replace(double.behaviour, fault=None)
        assert isinstance(loaded.run(REQUEST, Options(), seed=11 + 2 * seed), Completed)


@pytest.mark.parametrize("fault", ["not_json", "error_status", "redirect"])
@pytest.mark.parametrize("operation", ["version", "show", "ps"])
def test_what_is_no_ollama_is_said_in_one_line(
    double: OllamaDouble, tiny_dense: Path, fault: str, operation: str
) -> None:
    from mlxbench import engines

    double.behaviour = replace(double.behaviour, fault=fault, fault_at=frozenset({operation}))
    target = Target("ollama", "qwen3:tiny", double.url, "server", tokenizer=str(tiny_dense))
    try:
        with pytest.raises(MeasurementError) as caught:
            engines.engine("ollama").open(target)
    finally:
        double.behaviour = Behaviour(encode=double.behaviour.encode, token_s=0.001)
    assert str(caught.value).isprintable()
    assert "cannot use Ollama for qwen3:tiny" in str(caught.value)


def test_thousands_of_damaged_replies_give_a_failure_or_an_honest_trial() -> None:
    good = 0
    for canned in random_replies(seed=0, n=5000):
        lines = (Line(0.001 * i, content) for i, content in enumerate(canned.body.split(b"\n")))
        try:
            trial: Trial = facts.timed(reply.read(lines), REQUEST)
        except ServerFault as fault:
            trial = fault.failed()
        harmless(trial)
        good += isinstance(trial, Completed)
    assert good < 2500


def test_some_damaged_replies_over_a_real_connection(
    double: OllamaDouble, loaded: OllamaLoaded
) -> None:
    for seed, canned in enumerate(random_replies(seed=1, n=150)):
        double.behaviour = replace(double.behaviour, fault="canned", canned=canned)
        harmless(loaded.run(REQUEST, Options(), seed=100 + seed))
