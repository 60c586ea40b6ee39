from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench import registry, roofline
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.memory import memory, models_that_fit, needed_bytes, wired_limit
from mlxbench.environment.macos import WIRED_LIMIT
from mlxbench.records import Environment
from tests.doctor.machines import GIB, IDLE_LINUX, IDLE_MAC, RECORDED_MAC, by_topic, statuses

MODELS = list(registry.load().values())
LARGEST = registry.load()["qwen3-235b-a22b"]


def mac(total_gib: int, usable_gib: float, **variables: str) -> Machine:
    """A Mac with this memory, as MLX may use it."""
    environment = replace(
        IDLE_MAC.environment, memory_bytes=total_gib * GIB, variables=dict(variables)
    )
    return replace(IDLE_MAC, environment=environment, usable_bytes=round(usable_gib * GIB))


def test_a_mac_at_rest_has_nothing_to_warn_of() -> None:
    assert statuses(memory(IDLE_MAC, MODELS)) == dict.fromkeys(
        ("memory-pressure", "memory", "swap", "wired-limit", "models"), "ok"
    )


def test_pressure_swap_and_full_memory_are_warnings_with_advice() -> None:
    found = by_topic(memory(RECORDED_MAC, MODELS))

    for topic in ("memory-pressure", "memory", "swap"):
        assert found[topic].status == "warning", found[topic]
        assert found[topic].advice
    assert found["memory"].value == "only 100.00 GiB of 512.00 GiB available"


def test_linux_has_no_pressure_level_and_no_wired_limit() -> None:
    assert set(statuses(memory(IDLE_LINUX, MODELS))) == {"memory", "swap", "models"}


def test_a_machine_that_tells_nothing_is_unknown() -> None:
    silent = Machine("linux", Environment())

    assert set(statuses(memory(silent, MODELS)).values()) == {"unknown"}


def test_a_wired_limit_that_starves_the_system_is_warned_of() -> None:
    assert WIRED_LIMIT in wired_limit(IDLE_MAC).value
    fine = wired_limit(mac(512, 448, **{WIRED_LIMIT: str(448 * 1024)}))
    assert fine.status == "ok"
    assert str(448 * 1024) in fine.value
    starving = wired_limit(mac(64, 60, **{WIRED_LIMIT: str(60 * 1024)}))
    assert starving.status == "warning"
    assert starving.advice.endswith(f"sudo sysctl {WIRED_LIMIT}=0")


@pytest.mark.parametrize(
    ("total_gib", "limit_gib", "status"),
    [
        (8, 5.9, "ok"),  # a quarter of a small memory is enough for the system
        (8, 6.1, "warning"),
        (64, 55.9, "ok"),
        (64, 56.1, "warning"),
        (64, 42, "ok"),  # about what macOS allows by itself
        (64, 32, "warning"),
    ],
)
def test_a_limit_may_be_too_high_and_too_low(total_gib: int, limit_gib: float, status: str) -> None:
    found = wired_limit(mac(total_gib, limit_gib, **{WIRED_LIMIT: f"{limit_gib * 1024:.0f}"}))

    assert found.status == status
    assert bool(found.advice) == (status == "warning")
    assert ("by itself" in found.value) == (limit_gib == 32)


def test_every_known_model_fits_into_the_largest_mac() -> None:
    found = models_that_fit(IDLE_MAC, MODELS)

    total = len(MODELS)
    assert found.value == f"{total} of the {total} models in `models list` fit into 480.00 GiB" + (
        " at 4 bits"
    )
    assert found.advice == ""


def test_models_that_do_not_fit_are_named_with_what_they_need() -> None:
    assert LARGEST.shape is not None
    need = needed_bytes(LARGEST.shape, roofline.weight_bytes(LARGEST.shape), "metal")

    found = models_that_fit(mac(128, 96), MODELS)

    assert f"{LARGEST.name} ({need / GIB:.2f} GiB)" in found.value
    assert found.advice == ""  # more than the machine has


def test_a_mac_with_the_memory_for_the_next_model_is_told_how_to_use_it() -> None:
    assert LARGEST.shape is not None
    need = needed_bytes(LARGEST.shape, roofline.weight_bytes(LARGEST.shape), "metal")

    advice = models_that_fit(mac(192, 130), MODELS).advice

    limit = int(advice.partition(f"{WIRED_LIMIT}=")[2].partition(",")[0])
    assert 0 <= (limit << 20) - need < 1 << 20
    raised = mac(192, limit / 1024, **{WIRED_LIMIT: str(limit)})
    assert "too large" not in models_that_fit(raised, MODELS).value
    assert wired_limit(raised).status == "ok"


def test_a_model_of_unknown_size_is_counted_apart_and_not_among_those_that_fit() -> None:
    shapeless = replace(LARGEST, name="mine", shape=None)

    found = models_that_fit(mac(128, 96), [*MODELS, shapeless])

    total = len(MODELS) + 1
    assert found.value.startswith(f"{total - 2} of the {total} models in `models list` fit into ")
    assert "; 1 of unknown size; too large: qwen3-235b-a22b" in found.value


@pytest.mark.parametrize("usable", [0, 1 << 20])
def test_a_machine_too_small_for_any_model_is_still_described(usable: int) -> None:
    found = models_that_fit(replace(IDLE_LINUX, usable_bytes=usable), MODELS)

    assert found.value.startswith("0 of ")
    assert found.value.endswith(", …")
