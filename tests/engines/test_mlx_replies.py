"""Chat replies decoded together: the same ones as alone, whoever else is under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import engines
from mlxbench.engines.mlx import MlxLoaded
from mlxbench.engines.protocol import Batching
from mlxbench.records import (
    GREEDY,
    Completed,
    Failed,
    Generate,
    Message,
    Options,
    Sampler,
    Target,
    Trial,
)

SAMPLED = Sampler(0.6, 0.95, 20, seed=7)


@pytest.fixture
def loaded(tiny_moe: Path) -> Iterator[MlxLoaded]:
    opened = engines.engine("mlx").open(Target("mlx", "tiny-moe", str(tiny_moe), synthetic=True))
    assert isinstance(opened, MlxLoaded)
    yield opened
    opened.close()


def ask(words: str, sampler: Sampler = SAMPLED, budget: int = 12) -> Generate:
    return Generate((Message("user", words),), sampler, budget)


def replies(
    loaded: MlxLoaded, requests: Mapping[int, Generate], batch_size: int = 4
) -> dict[int, Trial]:
    return dict(loaded.reply_all(requests, Options(), batch_size))


def tokens(trial: Trial) -> tuple[int, ...]:
    assert isinstance(trial, Completed), trial
    assert trial.tokens is not None
    return trial.tokens[0]


def test_a_reply_does_not_depend_on_what_runs_beside_it(loaded: MlxLoaded) -> None:
    prompts = {seed: ask("tell me about the sea " * (1 + seed % 3)) for seed in range(6)}
    together = replies(loaded, prompts)
    alone = replies(loaded, {4: prompts[4]}, batch_size=1) | replies(loaded, {1: prompts[1]})
    assert set(together) == set(range(6))
    assert {seed: tokens(trial) for seed, trial in alone.items()} == {
        seed: tokens(together[seed]) for seed in (1, 4)
    }


def test_equal_prompts_get_different_replies_by_their_seeds(loaded: MlxLoaded) -> None:
    found = replies(loaded, {seed: ask("hello") for seed in range(3)})
    assert len({tokens(trial) for trial in found.values()}) == 3


def test_the_sampler_s_seed_counts_too(loaded: MlxLoaded) -> None:
    (first,) = replies(loaded, {0: ask("hello")}).values()
    (second,) = replies(loaded, {0: ask("hello", Sampler(0.6, 0.95, 20, seed=8))}).values()
    (third,) = replies(loaded, {1: ask("hello", Sampler(0.6, 0.95, 20, seed=6))}).values()
    assert tokens(first) != tokens(second)
    assert tokens(first) == tokens(third)  # 7 + 0 = 6 + 1


def test_a_greedy_reply_is_the_one_that_is_given_alone(loaded: MlxLoaded) -> None:
    task = ask("what is the significance of this piece?", GREEDY)
    alone = loaded.run(task, Options(), 0)
    assert isinstance(alone, Completed)
    for trial in replies(loaded, {0: task, 1: task}).values():
        assert tokens(trial) == tokens(alone)
        assert isinstance(trial, Completed)
        assert trial.text == alone.text


def test_each_reply_keeps_to_its_budget_and_says_that_it_was_cut(loaded: MlxLoaded) -> None:
    found = replies(loaded, {0: ask("a", budget=3), 1: ask("b", budget=9), 2: ask("c", budget=1)})
    assert {seed: len(tokens(trial)) for seed, trial in found.items()} == {0: 3, 1: 9, 2: 1}
    for trial in found.values():
        assert isinstance(trial, Completed)
        assert trial.finish_reason == "length"
        assert len(trial.stamps) == trial.generated_tokens
        assert list(trial.stamps) == sorted(trial.stamps)


def test_a_reply_that_ends_by_itself_ends_without_its_end_token(loaded: MlxLoaded) -> None:
    task = ask("hello", GREEDY)
    whole = tokens(replies(loaded, {0: task})[0])
    loaded.tokenizer.stop_tokens = frozenset({whole[5]})
    first = whole.index(whole[5])
    trial = replies(loaded, {0: task})[0]
    assert isinstance(trial, Completed)
    assert trial.finish_reason == "stop"
    assert tokens(trial) == whole[: first + 1]
    assert trial.text == loaded.tokenizer.decode(whole[:first])


def test_the_machines_time_is_shared_out_to_the_last_second(loaded: MlxLoaded) -> None:
    found = replies(loaded, {seed: ask("hello") for seed in range(4)}, batch_size=2)
    shares = [trial.native["machine_s"] for trial in found.values() if isinstance(trial, Completed)]
    spans = [trial.duration_s for trial in found.values() if isinstance(trial, Completed)]
    assert len(shares) == 4
    assert max(spans) < sum(shares) < sum(spans)  # two at a time


def test_a_template_that_opens_the_thoughts_has_them_marked(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxbench.chat.template_of", lambda directory: "{{ 'x' }}<think>\n")
    together = replies(loaded, {0: ask("hello")})[0]
    alone = loaded.run(ask("hello"), Options(), 0)
    for trial in (together, alone):
        assert isinstance(trial, Completed)
        assert trial.text is not None
        assert trial.text.startswith("<think>\n")


def test_with_a_quantised_cache_replies_come_one_by_one(loaded: MlxLoaded) -> None:
    requests = {0: ask("hello"), 1: ask("there")}
    found = dict(loaded.reply_all(requests, Options(kv_bits=8), 2))
    assert [type(trial) for trial in found.values()] == [Completed, Completed]


def test_scores_that_are_no_numbers_fail_the_reply(loaded: MlxLoaded) -> None:
    norm = loaded.model.model.norm
    norm.weight = mx.full(norm.weight.shape, float("nan"))
    (trial,) = replies(loaded, {0: ask("hello")}).values()
    assert isinstance(trial, Failed)
    assert trial.reason == "not_finite"


def test_a_device_that_fails_fails_every_reply_that_is_not_finished(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = type(loaded.model).__call__
    steps = 0

    def failing(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 6:
            raise RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory")
        return forward(self, *args, **options)

    monkeypatch.setattr(type(loaded.model), "__call__", failing)
    found = replies(loaded, {0: ask("a", budget=1), 1: ask("b"), 2: ask("c")})
    assert isinstance(found[0], Completed)
    for seed in (1, 2):
        trial = found[seed]
        assert isinstance(trial, Failed)
        assert trial.reason == "out_of_memory"


def test_the_engine_says_that_it_can_do_several_at_once(loaded: MlxLoaded) -> None:
    assert isinstance(loaded, Batching)
