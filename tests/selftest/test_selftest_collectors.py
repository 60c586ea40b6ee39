"""What a Mac's collectors must know, held against the recorded words of its tools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mlxbench import environment
from mlxbench.environment import macos
from mlxbench.environment.gpu_users import GpuUse, GpuUser
from mlxbench.records import Environment
from mlxbench.selftest import collectors
from tests.environment.test_environment_macos import mac_tools  # noqa: F401
from tests.selftest.samples import MAC, answers, only


def on_a_mac() -> Environment:
    """As `environment.collect` puts it together there."""
    return dataclasses.replace(
        macos.collect_host(),
        accelerator="Apple M3 Ultra",
        accelerator_backend="metal",
        accelerator_memory_bytes=464 << 30,
        versions={"mlx": "0.32.4"},
        load_1m=1.0,
    )


def missing(_: str) -> str | None:
    return None


def there(tool: str) -> str | None:
    return f"/usr/bin/{tool}"


@pytest.mark.usefixtures("mac_tools")
def test_every_topic_of_a_mac_is_known() -> None:
    found = answers(collectors.check(on_a_mac(), "darwin"))
    assert set(map(collectors.label, collectors.MAC_TOOLS)) <= {
        name for name, passed in found.items() if passed
    }
    assert False not in found.values()


@pytest.mark.usefixtures("mac_tools")
def test_a_tool_that_is_not_understood_is_a_failed_check(mac_tools: Path) -> None:  # noqa: F811
    (mac_tools / "notifyutil").write_text("#!/bin/sh\necho another format\n")
    found = only(collectors.check(on_a_mac(), "darwin", there), "thermal level")
    assert (found.passed, found.value) == (False, "unknown")
    assert found.sentence == "notifyutil is there, but what it says was not understood"


@pytest.mark.parametrize(("load", "shown"), [(4.23096, "4.2"), (12.06, "12.1"), (0.0371, "0.04")])
def test_a_load_is_shown_as_precisely_as_it_means_something(load: float, shown: str) -> None:
    found = dataclasses.replace(MAC, load_1m=load)
    assert only(collectors.check(found, "darwin"), "load 1m").value == shown


def test_a_tool_that_is_missing_is_named() -> None:
    found = only(collectors.check(MAC, "darwin", missing), "power source")
    assert (found.passed, found.sentence) == (False, "pmset is not on the PATH")


def test_this_machine_tells_what_any_machine_tells() -> None:
    found = answers(collectors.check(environment.collect(), "linux"))
    assert all(found[collectors.label(name)] for name in collectors.ANYWHERE)
    assert False not in found.values()


def test_collecting_nothing_fails_everywhere() -> None:
    found = answers(collectors.check(Environment(), "linux"))
    failed = {name for name, passed in found.items() if passed is False}
    assert failed == set(map(collectors.label, collectors.ANYWHERE))


@pytest.mark.parametrize(("seconds", "passed"), [(0.2, True), (5.0, False)])
def test_conditions_are_read_quickly(seconds: float, passed: bool) -> None:
    assert collectors.speed(seconds).passed is passed


def test_others_on_the_gpu_are_counted_and_never_named() -> None:
    found = collectors.gpu_users(GpuUse(users=(GpuUser("Private.app", 0.4),)), "darwin")
    assert (found.passed, found.value) == (True, "1, the busiest 40% of the time")
    assert "Private" not in repr(found)


def test_a_mac_that_does_not_tell_who_uses_the_gpu_fails() -> None:
    found = collectors.gpu_users(GpuUse(), "darwin", there)
    assert (found.passed, found.value) == (False, "unknown")
    assert "ioreg" in found.sentence


def test_elsewhere_nobody_has_to_tell_who_uses_the_gpu() -> None:
    assert collectors.gpu_users(GpuUse(), "linux", missing).passed is None


@pytest.mark.parametrize(
    ("minutes", "passed", "value"),
    [(0, True, "never"), (10, True, "10 min"), (None, False, "unknown")],
)
def test_a_mac_tells_when_it_sleeps(minutes: int | None, passed: bool, value: str) -> None:
    found = collectors.sleep_setting(minutes)
    assert (found.passed, found.value) == (passed, value)


def test_what_would_spoil_a_measurement_is_told() -> None:
    (found,) = collectors.conditions(dataclasses.replace(MAC, thermal_level=2))
    assert found.passed is None
    assert found.sentence
