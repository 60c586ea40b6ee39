"""Experts that stand out, and those they are compared with."""

from __future__ import annotations

import pytest

from mlxbench.errors import InputError
from mlxbench.measure.experts import IDENTITY, UNCHANGED, Log, arms, discover_experts, halves
from mlxbench.records import BAN, Arm, Message, Probe, Question, Sampler, Target


def logged(*layers: tuple[int, ...] | None) -> Log:
    return Log("a", layers)


def test_experts_with_the_largest_difference_of_shares_are_found() -> None:
    with_it = logged((50, 30, 10, 10), None, (25, 25, 25, 25))
    without = logged((30, 50, 10, 10), None, (25, 25, 26, 24))
    found = discover_experts([(with_it, without)], 2)
    assert found.differences == pytest.approx({(0, 0): 0.2, (0, 1): -0.2})


def test_differences_are_means_over_the_poems() -> None:
    a = (logged((6, 4)), logged((4, 6)))
    b = (logged((5, 5)), logged((5, 5)))
    found = discover_experts([a, b], 1)
    assert found.differences == pytest.approx({(0, 0): 0.1})


def test_controls_are_other_experts_of_the_same_layer_used_about_as_often() -> None:
    with_it = logged((40, 20, 19, 18, 2, 1), (90, 10, 0, 0, 0, 0))
    without = logged((20, 20, 19, 38, 2, 1), (90, 10, 0, 0, 0, 0))
    found = discover_experts([(with_it, without)], 1)
    assert list(found.differences) == [(0, 0)]
    ((layer, expert),) = found.random
    assert layer == 0
    assert expert in (1, 2, 3)  # the three nearest to a share of 0.3


def test_no_expert_is_found_and_control_at_once() -> None:
    with_it, without = logged(tuple(range(1, 17))), logged(tuple(range(16, 0, -1)))
    found = discover_experts([(with_it, without)], 8)
    assert not set(found.differences) & set(found.random)
    assert len(set(found.random)) == 8


def test_more_experts_than_half_cannot_be_found() -> None:
    with pytest.raises(InputError, match="at most half"):
        discover_experts([(logged((1, 2)), logged((2, 1)))], 2)


def test_each_arm_changes_the_routing_and_nothing_else() -> None:
    probe = Probe("heldout", (Question("q", "A", (Message("user", "x"),)),), 1, Sampler(), 9)
    base = Arm(Target("mlx", "m", ""), probe)
    found = discover_experts([(logged((5, 3, 1, 1)), logged((3, 5, 1, 1)))], 1)
    made = arms(base, found)
    assert made[UNCHANGED] == base
    assert {(arm.target, arm.task) for arm in made.values()} == {(base.target, base.task)}
    routing = made[IDENTITY].options.routing
    assert routing is not None
    assert [bias.bias for bias in routing.biases] == [0.0]
    banned = made["found, banned"].options.routing
    assert banned is not None
    assert [(one.layer, one.expert, one.bias) for one in banned.biases] == [(0, 0, BAN)]


def test_every_second_poem_is_for_finding() -> None:
    questions = [Question(str(number), "A", ()) for number in range(5)]
    train, test = halves(questions)
    assert [one.item for one in train] == ["0", "2", "4"]
    assert [one.item for one in test] == ["1", "3"]
