"""Decode and prefill: the engine's loop passes, and loops that fall into a trap do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import synthetic
from mlxbench.engines.mlx import load, loop
from mlxbench.lab.device_checks import decoding, trapped
from mlxbench.lab.device_checks.decoding import Dispatches, Forwards, Loop, Paces, Prefill, Subject
from mlxbench.records import Shape
from mlxbench.selftest import generation
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.costs import Ceiling
from tests.selftest.samples import answers, only

# Wide and shallow, so that a step is the device's and not Python's.
SHAPE = Shape("qwen3", 1024, 1, 16, 8, 64, 3072, 16384, tie_word_embeddings=False)
PROMPT = decoding.prompt(70)  # two chunks
TOKENS = 6


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("slice")
    directory = synthetic.ensure(synthetic.Recipe("slice", SHAPE, None, "f32"), folder)
    return decoding.subject(load.load(directory), Path(directory))


def by(subject: Subject, run: Loop) -> Subject:
    return replace(subject, run=run)


def stamped(subject: Subject) -> dict[str, bool | None]:
    replies = [decoding.generate(subject, PROMPT, TOKENS) for _ in range(3)]
    return answers(generation.stamps("a", replies))


def alone(subject: Subject) -> Checked:
    return generation.first_alone("a", decoding.dispatches(subject, PROMPT, TOKENS), TOKENS)


def test_the_engines_loop_takes_a_forward_for_each_token(subject: Subject) -> None:
    found = decoding.forwards(subject, PROMPT, TOKENS)
    assert found.due == (64, 5, 1, 1, 1, 1, 1, 1)
    assert generation.counted("a", found).passed is True


def test_a_loop_with_a_forward_left_over_is_found_out(subject: Subject) -> None:
    def leftover(model: Any, cache: list[Any], request: loop.Request) -> loop.Result:
        more = replace(request, generation_tokens=request.generation_tokens + 1)
        return loop.run(model, cache, more)

    found = decoding.forwards(by(subject, leftover), PROMPT, TOKENS)
    assert generation.counted("a", found).passed is False


def test_the_engines_loop_gives_mlx_lms_greedy_tokens(subject: Subject) -> None:
    ours, theirs = decoding.greedy_tokens(subject, PROMPT, TOKENS)
    assert len(theirs) == TOKENS
    assert generation.same_tokens("a", ours, theirs).passed is True


@pytest.mark.parametrize("ours", [[1, 2, 3, 5], [1, 2, 3], [9, 2, 3, 4], []])
def test_other_tokens_fail(ours: list[int]) -> None:
    assert generation.same_tokens("a", ours, [1, 2, 3, 4]).passed is False


def test_the_engines_stamps_pass(subject: Subject) -> None:
    assert stamped(subject) == {
        "stamps rise": True,
        "clock not ahead": True,
        "finite logits": True,
    }


def test_a_loop_that_stamps_when_it_dispatches_is_found_out(subject: Subject) -> None:
    assert stamped(by(subject, trapped.ahead))["clock not ahead"] is False


@pytest.mark.parametrize(("late", "passed"), [(0, True), (1, True), (2, False), (3, False)])
def test_one_disturbed_reply_of_three_does_not_fail_the_clock(late: int, passed: bool) -> None:
    steady = loop.Result((0.1, 0.2, 0.3), 0.05, 0.301, [], True)
    replies = [replace(steady, duration_s=0.4)] * late + [steady] * (3 - late)
    assert generation.behind("a", replies).passed is passed


def test_stamps_that_fall_or_stand_still_fail(subject: Subject) -> None:
    good = decoding.generate(subject, PROMPT, TOKENS)
    for stamps in ((0.3, 0.2, 0.4), (0.2, 0.2, 0.4)):
        bad = replace(good, stamps=stamps, prefill_kv_s=0.1, duration_s=0.4)
        assert only(generation.stamps("a", [good, bad]), "stamps rise").passed is False


def test_a_first_stamp_before_the_prompts_end_fails(subject: Subject) -> None:
    good = decoding.generate(subject, PROMPT, TOKENS)
    early = replace(good, prefill_kv_s=good.stamps[0] + 0.001)
    assert only(generation.stamps("a", [good, early]), "stamps rise").passed is False


def test_logits_that_are_no_numbers_fail(subject: Subject) -> None:
    broken = replace(decoding.generate(subject, PROMPT, TOKENS), finite=False)
    assert only(generation.stamps("a", [broken]), "finite logits").passed is False


def test_the_engine_stamps_the_first_token_alone(subject: Subject) -> None:
    assert alone(subject).passed is True


def test_a_loop_that_delays_the_first_stamp_is_found_out(subject: Subject) -> None:
    assert alone(by(subject, trapped.late)).passed is False


def test_a_dispatch_too_many_is_found_out() -> None:
    assert generation.first_alone("a", Dispatches(7, -0.001), 6).passed is False


def test_watching_dispatches_leaves_mlx_as_it_was(subject: Subject) -> None:
    before = mx.async_eval
    decoding.dispatches(subject, PROMPT, 2)
    assert mx.async_eval is before


def test_what_dispatching_would_claim_is_told(subject: Subject) -> None:
    honest = decoding.generate(subject, PROMPT, TOKENS)
    found = generation.trap("a", honest, replace(honest, stamps=(0.1, 0.101), duration_s=0.2))
    assert found.passed is None
    assert found.figures["ahead_tps"] == pytest.approx(1000)


def test_what_python_takes_is_told_and_small_beside_a_wide_step(subject: Subject) -> None:
    honest = decoding.generate(subject, PROMPT, TOKENS)
    found = generation.building("a", honest, decoding.build_seconds(subject, 3))
    assert found.passed is None
    assert 0 < found.figures["build_s"] < found.figures["step_s"]
    assert "sets the pace" in generation.building("a", honest, 9.0).sentence


def test_no_rate_is_above_the_ceiling() -> None:
    sure = Ceiling(1e9, True)
    assert generation.below_ceiling("a", 9.0, sure, 10**8).passed is True
    assert generation.below_ceiling("a", 20.0, sure, 10**8).passed is False


def test_where_the_bandwidth_had_no_verdict_a_rate_has_none() -> None:
    found = generation.below_ceiling("a", 20.0, Ceiling(1e9, False), 10**8)
    assert found.passed is None
    assert "not sure enough" in found.sentence
    assert "not sure" not in generation.below_ceiling("a", 9.0, Ceiling(1e9, True), 1).sentence


SUBJECT = Subject(None, None)  # of rounds whose figures are known


def paced(monkeypatch: pytest.MonkeyPatch, one: Paces) -> dict[str, bool | None]:
    def rounds(*_: object) -> Iterator[Paces]:
        while True:
            yield one

    monkeypatch.setattr(decoding, "paces", rounds)
    return answers(generation.paces("a", SUBJECT, 4, 8, 8))


def test_rates_that_agree_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced(monkeypatch, Paces(short=30.0, differenced=30.5, native=40.1))
    assert found == {"two lengths": True, "mlx-lm's own rate": True}


def test_a_boundary_in_the_rate_of_few_tokens_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced(monkeypatch, Paces(short=36.0, differenced=30.0, native=48.0))
    assert found["two lengths"] is False


def test_a_figure_of_mlx_lms_that_divides_otherwise_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced(monkeypatch, Paces(short=30.0, differenced=30.0, native=30.0))
    assert found["mlx-lm's own rate"] is False


def test_a_prefill_that_was_not_waited_for_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def rounds(*_: object) -> Iterator[Prefill]:
        while True:
            yield Prefill(loop_s=0.6, waited_s=1.0, not_waited_s=0.6)

    monkeypatch.setattr(decoding, "prefills", rounds)
    assert only(generation.prefill("a", SUBJECT, 16, 4), "prefill").passed is False


def test_forwards_are_compared_one_by_one() -> None:
    assert generation.counted("a", Forwards((64, 1, 5, 1), (64, 5, 1, 1))).passed is False
