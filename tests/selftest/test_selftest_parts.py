"""The engine's parts and what is around it: what must hold is asked, and failures are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxbench import registry
from mlxbench.lab.device_checks import costs
from mlxbench.records import Completed, Failed, Trial
from mlxbench.selftest import machinery, parts
from mlxbench.selftest.machinery import Wired

GIB = 1 << 30
BROKEN = Failed("engine_error", f"cannot open {Path.home()}/secret/weights")


def trial(*tokens: int) -> Completed:
    stamps = tuple(0.1 * (1 + index) for index in range(len(tokens)))
    return Completed("device", stamps, 1.0, 20, len(tokens), 1, "length", tokens=(tokens,))


@pytest.mark.parametrize(
    ("one", "other", "passed"),
    [
        (trial(1, 2), trial(1, 2), True),
        (trial(1, 2), trial(1, 3), False),
        (trial(1, 2), BROKEN, False),
        (BROKEN, trial(1, 2), False),
    ],
)
def test_two_trials_have_to_give_the_same_tokens(one: Trial, other: Trial, passed: bool) -> None:
    assert parts.alike("a", one, other).passed is passed


def test_a_trial_with_too_few_tokens_fails() -> None:
    assert parts.works("a", trial(1, 2), 2).passed is True
    assert parts.works("a", trial(1, 2), 3).passed is False


def test_a_failed_trial_is_told_without_its_folders() -> None:
    found = parts.works("a", BROKEN, 3)
    assert (found.passed, found.sentence) == (False, "engine_error: cannot open …/weights")


def test_every_reply_of_a_batch_has_to_come() -> None:
    assert parts.answered({0: trial(1), 1: trial(2)}, 2).passed is True
    assert parts.answered({0: trial(1)}, 2).passed is False
    assert parts.answered({0: trial(1), 1: BROKEN}, 2).passed is False


def test_each_layer_has_to_choose_as_many_experts_for_each_token() -> None:
    shape = registry.load(registry.builtin_file())["tiny-moe"].shape
    assert shape is not None
    even = [[4, 4, 0, 0]] * shape.num_hidden_layers
    assert parts.adds_up(even, shape).passed is True
    assert parts.adds_up(even, shape).value == "8 choices in each of 4 layers"
    odd = parts.adds_up([[4, 3, 0, 0], *even[1:]], shape)
    assert (odd.passed, odd.value) == (False, "7 or 8 choices in each of 4 layers")
    assert parts.adds_up(even[1:], shape).passed is False
    assert parts.adds_up([[0, 0]] * shape.num_hidden_layers, shape).passed is False


def test_a_banned_expert_must_not_be_chosen() -> None:
    assert parts.obeyed([[3, 1], None], [[0, 4], None]).passed is True
    assert parts.obeyed([[3, 1]], [[1, 3]]).passed is False
    assert parts.obeyed([[0, 4]], [[0, 4]]).passed is None  # it would not have been chosen anyway


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (Wired(0, 96 * GIB, 0), True),
        (Wired(0, 0, 0), False),
        (Wired(0, 96 * GIB, 96 * GIB), False),
        (Wired(0, 95 * GIB, 0), False),
    ],
)
def test_on_metal_the_wired_limit_is_set_and_given_back(found: Wired, passed: bool) -> None:
    assert machinery.wired(found, 96 * GIB, "metal").passed is passed


def test_elsewhere_nothing_is_wired() -> None:
    assert machinery.wired(Wired(0, 0, 0), None, "cpu").passed is None


def test_asking_for_the_wired_limit_changes_nothing() -> None:
    limits = [96 * GIB]

    def set_limit(size: int) -> int:
        limits.append(size)
        return limits[-2]

    assert costs.wired_limit_bytes(set_limit) == 96 * GIB
    assert limits[-1] == 96 * GIB
    assert costs.wired_limit_bytes() == costs.wired_limit_bytes()


def test_a_trial_is_found_again_in_the_store(tmp_path: Path) -> None:
    (found,) = machinery.store(tmp_path)
    assert found.passed is True
