"""The engine for OpenAI-compatible servers against a real one: mlx_lm.server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench import engines
from mlxbench.engines.protocol import Loaded
from mlxbench.errors import MeasurementError
from mlxbench.http_client import GENERATION, Client, parse_address
from mlxbench.records import (
    GREEDY,
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
from tests.engines.mlx_server import mlx_server

REQUEST = Timed("request", prompt_tokens=40, generation_tokens=12)
CHAT = Generate((Message("user", "Write a word."),), GREEDY, token_budget=10)
_seeds = itertools.count(100)  # none twice: the server keeps prompts


@pytest.fixture(scope="module")
def url(tiny_moe: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlx_server(tiny_moe, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def target(url: str, tiny_moe: Path) -> Target:
    return Target("openai", "default_model", url, source="server", tokenizer=str(tiny_moe))


@pytest.fixture
def loaded(target: Target) -> Iterator[Loaded]:
    opened = engines.engine("openai").open(target)
    yield opened
    opened.close()


def run(loaded: Loaded, task: Timed) -> Completed:
    """The first of some trials that the random model does not begin with half a character."""
    for _ in range(5):
        trial = loaded.run(task, Options(), next(_seeds))
        if isinstance(trial, Failed) and "may hold several tokens" in trial.message:
            continue
        return completed(trial)
    raise AssertionError(trial)


def completed(trial: Trial) -> Completed:
    assert isinstance(trial, Completed), trial
    return trial


def test_a_request_makes_exactly_its_tokens_from_exactly_its_prompt(loaded: Loaded) -> None:
    trial = run(loaded, REQUEST)
    assert (trial.prompt_tokens, trial.generated_tokens, trial.finish_reason) == (40, 12, "length")
    assert trial.clock == "host_arrival"
    assert trial.native["prompt_eval_count"] == 40
    assert trial.native["eval_count"] == 12
    assert not {"prefill_tps", "decode_tps"} & set(trial.native)


def test_stamps_are_in_order_within_the_duration_of_the_trial(loaded: Loaded) -> None:
    trial = run(loaded, REQUEST)
    assert 0 < trial.stamps[0] < trial.stamps[-1] <= trial.duration_s
    assert sorted(trial.stamps) == list(trial.stamps)
    assert 2 <= len(trial.stamps) <= 12


def test_the_greedy_text_is_that_of_the_in_process_engine(loaded: Loaded, tiny_moe: Path) -> None:
    own = engines.engine("mlx").open(Target("mlx", "tiny-moe", str(tiny_moe), synthetic=True))
    compared = 0
    for seed in range(4):
        theirs = loaded.run(REQUEST, Options(), seed)
        if isinstance(theirs, Completed):
            ours = completed(own.run(REQUEST, Options(), seed)).text
            # mlx_lm.server drops the space that a reply begins with.
            assert ours is not None
            assert theirs.text == ours.removeprefix(" ")
            compared += 1
    own.close()
    assert compared >= 2


def test_a_prefill_ends_with_its_first_token(loaded: Loaded) -> None:
    trial = run(loaded, replace(REQUEST, kind="prefill"))
    assert (trial.prompt_tokens, trial.generated_tokens, len(trial.stamps)) == (40, 1, 1)
    assert 0 < trial.stamps[0] <= trial.duration_s


def test_a_prompt_that_the_server_has_cached_is_a_failure(target: Target) -> None:
    seed = next(_seeds)
    task = replace(REQUEST, kind="prefill")
    first, again = (engines.engine("openai").open(target) for _ in range(2))
    assert completed(first.run(task, Options(), seed)).text is not None
    hit = again.run(task, Options(), seed)
    assert isinstance(hit, Failed)
    assert (hit.reason, hit.message) == ("cache_hit", "39 of 40 prompt tokens came from a cache")
    first.close()
    again.close()


@pytest.mark.parametrize("thinking", [None, True, False])
def test_a_chat_stays_within_its_budget_whether_it_thinks_or_not(
    loaded: Loaded, thinking: bool | None
) -> None:
    trial = completed(loaded.run(replace(CHAT, thinking=thinking), Options(), 0))
    assert 0 < trial.generated_tokens <= 10
    assert trial.text
    assert 0 < trial.stamps[0] <= trial.stamps[-1] <= trial.duration_s


def test_thinking_off_reaches_the_chat_template(loaded: Loaded) -> None:
    on, off = (
        completed(loaded.run(replace(CHAT, thinking=thinking), Options(), 0)).prompt_tokens
        for thinking in (True, False)
    )
    assert off > on  # the template then writes an empty thought into the prompt


def test_a_unique_chat_has_a_prompt_of_its_own(loaded: Loaded) -> None:
    plain, unique = (
        completed(loaded.run(task, Options(), 7)).prompt_tokens
        for task in (CHAT, replace(CHAT, unique=True))
    )
    assert unique > plain


def test_a_sampler_with_a_seed_repeats_its_text(loaded: Loaded) -> None:
    warm = replace(CHAT, sampler=Sampler(0.9, 0.95, 40, seed=3))
    texts = [completed(loaded.run(warm, Options(), seed)).text for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_the_server_is_recognised_and_says_that_it_has_no_rates(loaded: Loaded) -> None:
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.source == "server"
    assert loaded.checkpoint.serving == {
        "program": "mlx_lm.server",
        "counting": "mlx_lm.server gives no rates of its own",
    }


def test_an_address_that_ends_in_v1_is_the_same_address(target: Target) -> None:
    opened = engines.engine("openai").open(replace(target, location=f"{target.location}/v1/"))
    run(opened, REQUEST)
    opened.close()


def test_leaving_early_stops_the_generation(loaded: Loaded, url: str) -> None:
    client = Client(parse_address(url, 8080, allow_remote=False))
    body = {"model": "default_model", "prompt": "Once", "max_tokens": 20000, "stream": True}
    with client.stream("/v1/completions", {**body, "seed": 1}, GENERATION) as lines:
        assert any(line.content.startswith(b"data:") for line in lines)
    began = time.monotonic()
    run(loaded, REQUEST)  # the server makes one reply at a time: 20000 tokens would take minutes
    assert time.monotonic() - began < 10
    client.close()


def test_a_server_that_is_gone_fails_to_open_in_one_line(target: Target) -> None:
    with pytest.raises(MeasurementError, match="nothing answers at") as caught:
        engines.engine("openai").open(replace(target, location="http://127.0.0.1:9"))
    assert "\n" not in str(caught.value)
