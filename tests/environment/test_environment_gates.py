from __future__ import annotations

import pytest

from mlxbench.environment.gates import check
from mlxbench.environment.sleep import seconds_asleep, was_suspended
from mlxbench.records import Environment

IDLE_MAC = Environment(
    os="macOS",
    cpu_cores=28,
    accelerator_backend="metal",
    load_1m=2.0,
    power_source="ac",
    low_power_mode=False,
    thermal_level=0,
    memory_pressure_level=1,
    accelerator_utilisation=0.1,
)


def codes(environment: Environment) -> list[str]:
    return [notice.code for notice in check(environment)]


def test_an_idle_cool_mac_on_mains_passes_every_gate() -> None:
    assert check(IDLE_MAC) == ()


def test_what_is_unknown_does_not_fail() -> None:
    assert check(Environment()) == ()
    assert check(Environment(accelerator_backend="cpu", load_1m=9.0)) == ()


@pytest.mark.parametrize(
    ("environment", "code", "seen"),
    [
        (Environment(thermal_level=1), "thermal-pressure", "1"),
        (Environment(power_source="battery"), "on-battery", "battery"),
        (Environment(power_source="ups"), "on-battery", "ups"),
        (Environment(low_power_mode=True), "low-power-mode", "Low Power Mode"),
        (Environment(memory_pressure_level=2), "memory-pressure", "2"),
        (
            Environment(accelerator_backend="cpu", load_1m=1.1, cpu_cores=2),
            "busy-machine",
            "load of the last minute was 1.1 on 2 cores",
        ),
        (Environment(accelerator_utilisation=0.11), "busy-accelerator", "11%"),
    ],
)
def test_a_failed_gate_says_what_was_seen_and_what_to_do(
    environment: Environment, code: str, seen: str
) -> None:
    (notice,) = check(environment)

    assert notice.code == code
    assert seen in notice.message
    assert notice.advice
    assert "\n" not in notice.message + notice.advice


def test_load_of_half_a_core_each_still_passes() -> None:
    assert codes(Environment(accelerator_backend="cpu", load_1m=1.0, cpu_cores=2)) == []


def test_load_on_the_cores_of_a_gpu_machine_is_no_matter() -> None:
    assert codes(Environment(accelerator_backend="cuda", load_1m=9.0, cpu_cores=2)) == []


def test_every_failed_gate_is_told() -> None:
    bad = Environment(thermal_level=3, power_source="battery", low_power_mode=True)

    assert codes(bad) == ["thermal-pressure", "on-battery", "low-power-mode"]


@pytest.mark.parametrize(
    ("before", "after", "slept"),
    [(100.0, 100.0, False), (100.0, 100.04, False), (100.0, 100.06, True), (0.0, 3600.0, True)],
)
def test_sleep_shows_as_a_gap_between_the_two_clocks(
    before: float, after: float, slept: bool
) -> None:
    assert was_suspended(before, after) is slept


def test_a_machine_that_stayed_awake_was_not_suspended() -> None:
    assert not was_suspended(seconds_asleep(), seconds_asleep())
