"""The in-process engine as measure sees it: open a target, run tasks, get facts or a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import engines
from mlxbench.engines.mlx import MlxLoaded, loop, trials
from mlxbench.errors import CheckpointError, InputError
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

DECODE = Timed("decode", prompt_tokens=40, generation_tokens=12)
METAL = "[METAL] Command buffer execution"
PREFILL = Timed("prefill", prompt_tokens=40, generation_tokens=1)


def target(directory: Path) -> Target:
    return Target("mlx", "tiny-moe", str(directory), synthetic=True)


@pytest.fixture
def loaded(tiny_moe: Path) -> Iterator[MlxLoaded]:
    opened = engines.engine("mlx").open(target(tiny_moe))
    assert isinstance(opened, MlxLoaded)
    yield opened
    opened.close()


def completed(trial: Trial) -> Completed:
    assert isinstance(trial, Completed), trial
    return trial


def forwards(loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens per sequence each forward of the model gets, from now on."""
    seen: list[int] = []
    forward = type(loaded.model).__call__

    def counting(self: Any, tokens: mx.array, *args: Any, **options: Any) -> Any:
        seen.append(tokens.shape[1])
        return forward(self, tokens, *args, **options)

    monkeypatch.setattr(type(loaded.model), "__call__", counting)
    return seen


def test_a_decode_trial_has_its_tokens_stamps_and_native_rate(loaded: MlxLoaded) -> None:
    trial = completed(loaded.run(DECODE, Options(), seed=0))
    assert (trial.prompt_tokens, trial.generated_tokens, len(trial.stamps)) == (40, 12, 12)
    assert trial.tokens is not None
    assert [len(row) for row in trial.tokens] == [12]
    span = trial.stamps[-1] - trial.stamps[0]
    assert trial.native["decode_tps"] == pytest.approx(12 / span)
    assert trial.peak_memory_bytes is not None
    assert trial.peak_memory_bytes > 0
    assert trial.finish_reason == "length"


def test_the_prompt_of_decode_trials_is_prefilled_once_and_trimmed_back(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = forwards(loaded, monkeypatch)
    loaded.run(DECODE, Options(), seed=0)
    # 24 shared tokens once, then 16 of the trial's own: 15, and 1 with the first generated one.
    assert seen == [24, 15] + [1] * 12
    del seen[:]
    loaded.run(DECODE, Options(), seed=1)
    assert seen == [15] + [1] * 12


def test_a_trial_gives_the_same_tokens_on_a_trimmed_cache_as_on_a_fresh_one(
    loaded: MlxLoaded,
) -> None:
    fresh = completed(loaded.run(DECODE, Options(), seed=3)).tokens
    loaded.run(DECODE, Options(), seed=4)
    assert completed(loaded.run(DECODE, Options(), seed=3)).tokens == fresh


def test_trials_of_different_seeds_get_different_prompts(loaded: MlxLoaded) -> None:
    tokens = {completed(loaded.run(DECODE, Options(), seed)).tokens for seed in range(5)}
    assert len(tokens) == 5


def test_depth_lies_in_the_cache_before_the_prompt(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = forwards(loaded, monkeypatch)
    loaded.run(replace(PREFILL, depth=100), Options(prefill_step_size=64), seed=0)
    assert seen == [64, 36, 39, 1]
    del seen[:]
    loaded.run(replace(PREFILL, depth=100), Options(prefill_step_size=64), seed=1)
    assert seen == [39, 1]


def test_a_prefill_trial_knows_the_time_of_the_kv_cache_alone(loaded: MlxLoaded) -> None:
    trial = completed(loaded.run(PREFILL, Options(), seed=0))
    assert trial.prefill_kv_s is not None
    assert 0 < trial.prefill_kv_s < trial.stamps[0]


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (replace(DECODE, batch_size=3), Options()),
        (replace(DECODE, mode="stepped"), Options()),
        (replace(DECODE, prompt_tokens=1), Options()),
        (replace(DECODE, depth=7, prompt_tokens=3), Options(prefill_step_size=2)),
        (DECODE, Options(kv_bits=8)),
        (replace(DECODE, depth=300, batch_size=2), Options(kv_bits=4)),
        (replace(DECODE, sampler=Sampler(0.7, 0.9, 20, seed=5)), Options()),
    ],
)
def test_every_setting_runs_and_keeps_its_counts(
    loaded: MlxLoaded, task: Timed, options: Options
) -> None:
    for seed in range(2):
        trial = completed(loaded.run(task, options, seed))
        assert trial.tokens is not None
        assert [len(row) for row in trial.tokens] == [12] * task.batch_size
        assert trial.prompt_tokens == task.prompt_tokens


def test_rates_that_hang_on_random_routing_say_so(loaded: MlxLoaded) -> None:
    def codes(task: Timed) -> list[str]:
        return [notice.code for notice in completed(loaded.run(task, Options(), 0)).notices]

    assert codes(PREFILL) == codes(replace(DECODE, batch_size=2)) == ["random-routing"]
    assert codes(DECODE) == []


def test_sampling_repeats_with_the_same_seed_only(loaded: MlxLoaded) -> None:
    task = replace(DECODE, sampler=Sampler(temperature=1.0))
    first = completed(loaded.run(task, Options(), seed=1)).tokens
    assert completed(loaded.run(task, Options(), seed=1)).tokens == first
    other = replace(task, sampler=Sampler(temperature=1.0, seed=9))
    assert completed(loaded.run(other, Options(), seed=1)).tokens != first


def test_eos_is_ignored_by_timed_trials(loaded: MlxLoaded) -> None:
    head = loaded.model.lm_head
    stop = min(loaded.tokenizer.stop_tokens)
    head.biases = head.biases.at[stop].add(100.0)  # EOS has the largest logit from now on, or least
    trial = loaded.run(replace(DECODE, generation_tokens=12), Options(), seed=0)
    assert isinstance(trial, Completed)
    assert trial.generated_tokens == 12
    assert any(stop in row for row in trial.tokens or ())


def test_nan_logits_fail_the_trial(loaded: MlxLoaded) -> None:
    norm = loaded.model.model.norm
    norm.weight = mx.full(norm.weight.shape, float("nan"))
    trial = loaded.run(DECODE, Options(), seed=0)
    assert isinstance(trial, Failed)
    assert trial.reason == "not_finite"


def collapse(loaded: MlxLoaded) -> None:
    """Make every logit equal, so that greedy decoding repeats token 0."""
    head = loaded.model.lm_head
    head.scales, head.biases = mx.zeros_like(head.scales), mx.zeros_like(head.biases)


def test_a_collapsed_synthetic_model_fails_and_a_real_one_is_warned_about(
    loaded: MlxLoaded, tiny_moe: Path
) -> None:
    collapse(loaded)
    task = replace(DECODE, generation_tokens=20)
    trial = loaded.run(task, Options(), seed=0)
    assert isinstance(trial, Failed)
    assert trial.reason == "low_diversity"
    assert loaded.checkpoint is not None
    real = MlxLoaded(
        replace(target(tiny_moe), synthetic=False),
        loaded.checkpoint,
        loaded.model,
        loaded.tokenizer,
    )
    assert [n.code for n in completed(real.run(task, Options(), 0)).notices] == ["low-diversity"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        # As mlx words them; on the CPU a real one ends the process, so they cannot be provoked.
        (RuntimeError("[malloc] Unable to allocate 17179869184 bytes."), "out_of_memory"),
        (
            RuntimeError(f"{METAL} failed: Insufficient Memory"),
            "out_of_memory",
        ),
        (
            RuntimeError(f"{METAL} failed: Caused GPU Timeout"),
            "engine_error",
        ),
        (ValueError("[quantized_matmul] The shapes are incompatible.\nDetails"), "engine_error"),
    ],
)
def test_a_device_error_is_a_failed_trial_and_the_next_one_runs(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    before = completed(loaded.run(DECODE, Options(), seed=0)).tokens

    def failing(*_: object) -> loop.Result:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run", failing)
        trial = loaded.run(DECODE, Options(), seed=0)
    assert isinstance(trial, Failed)
    assert (trial.reason, trial.message) == (reason, str(error).splitlines()[0])
    assert completed(loaded.run(DECODE, Options(), seed=0)).tokens == before


def test_an_interrupted_trial_leaves_no_half_trimmed_cache(
    loaded: MlxLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = completed(loaded.run(DECODE, Options(), seed=2)).tokens
    real = loop._values

    def interrupt(_: mx.array) -> list[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_values", interrupt)
    with pytest.raises(KeyboardInterrupt):
        loaded.run(DECODE, Options(), seed=2)
    monkeypatch.setattr(loop, "_values", real)
    assert completed(loaded.run(DECODE, Options(), seed=2)).tokens == before


def test_a_chat_reply_is_rendered_generated_and_decoded(loaded: MlxLoaded) -> None:
    task = Generate((Message("user", "Say something."),), Sampler(), token_budget=20)
    trial = completed(loaded.run(task, Options(), seed=0))
    assert trial.text
    assert trial.generated_tokens <= 20
    assert trial.finish_reason in ("length", "stop")


def test_unique_chat_prompts_differ_from_trial_to_trial(loaded: MlxLoaded) -> None:
    def texts(unique: bool) -> set[str | None]:
        task = Generate((Message("user", "Say something."),), Sampler(), 24, unique=unique)
        return {completed(loaded.run(task, Options(), seed)).text for seed in range(4)}

    assert len(texts(unique=False)) == 1
    assert len(texts(unique=True)) > 1


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (replace(PREFILL, prompt_tokens=512), Options()),
        (replace(PREFILL, prompt_tokens=1500), Options()),
        (replace(PREFILL, prompt_tokens=256, batch_size=8), Options()),
        (replace(PREFILL, prompt_tokens=256, batch_size=2, depth=1024), Options()),
        (replace(PREFILL, prompt_tokens=1024), Options(prefill_step_size=256)),
        (replace(PREFILL, prompt_tokens=1024), Options(kv_bits=8)),
        (replace(DECODE, prompt_tokens=64, batch_size=64), Options()),
        (replace(DECODE, depth=2048), Options(kv_bits=4)),
    ],
)
def test_predicted_memory_bounds_the_peak_without_being_far_above_it(
    loaded: MlxLoaded, tiny_moe: Path, task: Timed, options: Options
) -> None:
    predicted = engines.engine("mlx").predict_memory(
        target(tiny_moe), [Arm(target(tiny_moe), task, options)]
    )
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.weight_bytes is not None
    others = mx.get_active_memory() - loaded.checkpoint.weight_bytes  # of other tests in here
    peak = completed(loaded.run(task, options, seed=0)).peak_memory_bytes
    assert predicted is not None
    assert peak is not None
    peak -= others
    assert peak <= predicted
    if trials.context_tokens(task) == 0:  # otherwise the context was filled before the peak began
        assert predicted <= 1.5 * peak


def test_peak_memory_is_that_of_the_trial_not_of_the_process(loaded: MlxLoaded) -> None:
    large = completed(loaded.run(replace(PREFILL, prompt_tokens=600), Options(), seed=0))
    small = completed(loaded.run(PREFILL, Options(), seed=0))
    assert large.peak_memory_bytes is not None
    assert small.peak_memory_bytes is not None
    assert small.peak_memory_bytes < large.peak_memory_bytes


def test_headers_are_checked_before_mlx_sees_the_file(tiny_moe: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tiny_moe, tmp_path / "broken"))
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        engines.engine("mlx").open(target(broken))


def test_a_model_that_mlx_lm_does_not_know_is_one_clear_line(
    tiny_moe: Path, tmp_path: Path
) -> None:
    odd = Path(shutil.copytree(tiny_moe, tmp_path / "odd"))
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps(config | {"model_type": "no_such_family"}))
    with pytest.raises(CheckpointError, match="no_such_family") as caught:
        engines.engine("mlx").open(target(odd))
    assert "\n" not in str(caught.value)


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="'llama'"):
        engines.engine("llama")


def test_every_prompt_token_is_either_shared_or_the_trials_own() -> None:
    for task in (DECODE, PREFILL, replace(DECODE, depth=9, prompt_tokens=5)):
        total = task.depth + task.prompt_tokens
        assert trials.context_tokens(task) + trials.own_tokens(task) == total
