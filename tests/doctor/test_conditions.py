from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.doctor.conditions import conditions
from mlxbench.doctor.finding import Finding
from mlxbench.environment import gates
from mlxbench.records import Environment
from tests.doctor.machines import (
    IDLE_LINUX,
    IDLE_MAC,
    RECORDED_MAC,
    by_topic,
    stalled,
    statuses,
)


def test_a_mac_at_rest_has_nothing_to_warn_of() -> None:
    assert set(statuses(conditions(IDLE_MAC)).values()) == {"ok"}


def test_everything_wrong_with_a_mac_is_a_warning_with_advice() -> None:
    found = by_topic(conditions(RECORDED_MAC))

    for topic in ("thermal", "power", "low-power-mode"):
        assert found[topic].status == "warning"
        assert found[topic].advice
    assert found["load"].status == "ok"


def test_sleep_is_no_warning_for_mlxbench_keeps_a_mac_awake() -> None:
    sleep = by_topic(conditions(RECORDED_MAC))["sleep"]

    assert (sleep.status, sleep.advice) == ("ok", "")
    assert sleep.value.startswith("after 10 min without input; ")


def test_the_doctor_warns_in_the_words_of_the_gates_that_measurements_use() -> None:
    said = {(one.message, one.advice) for one in gates.check(RECORDED_MAC.environment)}
    found = by_topic(conditions(RECORDED_MAC))

    for topic in ("thermal", "power", "low-power-mode"):
        assert (found[topic].value, found[topic].advice) in said


def test_a_mac_that_tells_nothing_is_unknown_and_not_well() -> None:
    silent = replace(IDLE_MAC, environment=Environment(), sleep_minutes=None)

    assert set(statuses(conditions(silent)).values()) == {"unknown"}


def test_linux_is_not_asked_what_only_a_mac_tells() -> None:
    assert statuses(conditions(IDLE_LINUX)) == {"load": "ok"}


def test_a_laptop_on_its_battery_is_warned_of_on_linux_too() -> None:
    environment = replace(IDLE_LINUX.environment, power_source="battery")

    assert statuses(conditions(replace(IDLE_LINUX, environment=environment)))["power"] == "warning"


@pytest.mark.parametrize(
    ("governor", "backend", "status"),
    [
        ("performance", "cpu", "ok"),
        ("powersave", "cpu", "warning"),
        ("powersave", "cuda", "ok"),
    ],
)
def test_a_governor_matters_where_cores_compute(governor: str, backend: str, status: str) -> None:
    environment = replace(
        IDLE_LINUX.environment, cpu_governor=governor, accelerator_backend=backend
    )

    found = statuses(conditions(replace(IDLE_LINUX, environment=environment)))

    assert found["governor"] == status


def test_work_that_waits_is_named_by_what_it_waits_for() -> None:
    found = by_topic(conditions(replace(IDLE_LINUX, stalls=stalled())))["stalls"]

    assert found == Finding(
        "stalls",
        "warning",
        "work waited in the last 10 s for: cpu 32%, memory 0%",
        "end what uses so much cpu, or wait, and measure again",
    )
    calm = replace(IDLE_LINUX, stalls={"cpu": 0.2, "memory": 0.005})
    assert statuses(conditions(calm))["stalls"] == "ok"


def test_a_busy_cpu_is_warned_of_where_it_is_what_computes() -> None:
    busy = replace(IDLE_LINUX.environment, load_1m=90.0)

    assert statuses(conditions(replace(IDLE_LINUX, environment=busy)))["load"] == "warning"
    on_gpu = replace(busy, accelerator_backend="cuda")
    assert statuses(conditions(replace(IDLE_LINUX, environment=on_gpu)))["load"] == "ok"
