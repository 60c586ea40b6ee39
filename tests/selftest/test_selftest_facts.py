"""Costs, memory, ties and shapes: what is judged, and what is only written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench import registry
from mlxbench.lab.bandwidth import Bandwidth
from mlxbench.lab.device_checks import costs as cost_facts
from mlxbench.lab.device_checks import ties as tie_facts
from mlxbench.lab.device_checks.ties import Order, RouterRule
from mlxbench.records import Shape
from mlxbench.selftest import costs, memory, scale, ties

GB = 10**9
MIB = 1 << 20


@pytest.fixture(scope="module")
def shapes() -> dict[str, Shape]:
    specs = registry.load(registry.builtin_file())
    return {name: spec.shape for name, spec in specs.items() if spec.shape is not None}


def judged_bandwidth(measured_gb: float, stated_gb: float | None) -> bool | None:
    found = Bandwidth(measured_gb * GB, measured_gb * GB, measured_gb * GB, 7)
    return costs.bandwidth(found, None if stated_gb is None else stated_gb * GB).passed


@pytest.mark.parametrize(
    ("measured", "stated", "passed"),
    [(680, 819, True), (1600, 819, False), (200, 819, None), (680, None, None)],
)
def test_no_memory_is_faster_than_its_maker_says(
    measured: float, stated: float | None, passed: bool | None
) -> None:
    assert judged_bandwidth(measured, stated) is passed


def test_a_launch_and_a_round_trip_take_time_here() -> None:
    launch = cost_facts.launch(3)
    assert costs.launch(launch.median_s, launch.seconds).passed is True
    assert 0 < launch.median_s < 1e-3
    assert cost_facts.round_trip() > 0


def test_a_launch_that_takes_no_time_fails() -> None:
    assert costs.launch(0.0, [-1e-6, 0.0, 1e-6]).passed is False


@pytest.mark.parametrize(
    ("active", "passed"),
    [(300 * MIB, True), (314 * MIB, True), (330 * MIB, False), (250 * MIB, False)],
)
def test_weights_take_what_their_files_say(active: int, passed: bool) -> None:
    assert memory.weights("a", active, 300 * MIB).passed is passed


@pytest.mark.parametrize(
    ("peak", "passed"), [(300 * MIB, True), (170 * MIB, True), (306 * MIB, False), (20 * MIB, None)]
)
def test_a_peak_above_its_prediction_fails_and_one_far_below_is_told(
    peak: int, passed: bool | None
) -> None:
    assert memory.prediction("a", "pp512", peak, 300 * MIB).passed is passed


def test_each_order_is_told_beside_the_cpus_and_none_is_judged() -> None:
    same, other = ties.check([Order("argmax", "equal", "0", "0"), Order("sort", "NaN", "1", "2")])
    assert (same.passed, same.expected) == (None, "")
    assert (other.passed, other.value, other.expected) == (None, "1", "2 on the CPU")


def test_every_order_on_the_cpu_is_that_of_the_cpu() -> None:
    found = list(tie_facts.orders())
    assert len(found) == len(tie_facts.OPERATIONS)
    assert [one for one in found if one.here != one.on_cpu] == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RouterRule(64, 64, 64), "follows the rule"),
        (RouterRule(64, 64, 0), "in another order"),
        (RouterRule(64, 60, 0), "chooses others"),
    ],
)
def test_the_routers_rule_is_told(rule: RouterRule, said: str) -> None:
    found = ties.router(rule)
    assert found.passed is None
    assert said in found.sentence


def test_the_router_here_chooses_as_ruled() -> None:
    assert tie_facts.router_rule().same_experts == tie_facts.ROWS


def test_on_a_cpu_real_shapes_lose_layers_and_vocabulary(shapes: dict[str, Shape]) -> None:
    made = {one.name: one for one in scale.recipes(shapes, scale.FULL, True, None)}
    mixture = made[scale.MIXTURE].effective_shape
    assert mixture == replace(
        shapes[scale.MIXTURE], num_hidden_layers=1, vocab_size=scale.CPU_VOCABULARY
    )
    assert made["tiny-moe"].effective_shape == shapes["tiny-moe"]
    assert {one.scales for one in made.values()} == {"f32"}


@pytest.mark.parametrize(("gigabytes", "layers"), [(4, 1), (5, 2), (16, 8), (512, 8)])
def test_on_a_gpu_the_mixture_gets_the_layers_that_fit(
    gigabytes: int, layers: int, shapes: dict[str, Shape]
) -> None:
    made = {one.name: one for one in scale.recipes(shapes, scale.FULL, False, gigabytes * GB)}
    assert made[scale.MIXTURE].layers == layers
    assert made[scale.DENSE].layers is None
    assert {one.scales for one in made.values()} == {"bf16"}


def test_a_label_says_what_was_cut_off(shapes: dict[str, Shape]) -> None:
    labels = [scale.label(one) for one in scale.recipes(shapes, scale.FULL, True, None)]
    assert labels[0] == "tiny-dense (0.0033 GB)"
    assert labels[3] == "qwen3-30b-a3b, 1 of its layers, 8192 of its tokens (0.41 GB)"
