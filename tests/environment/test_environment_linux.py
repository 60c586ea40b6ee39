from __future__ import annotations

import pytest

from mlxbench.environment import linux
from tests.environment.recordings import recorded


def test_the_cpu_is_the_model_name_of_the_first_processor() -> None:
    assert linux.parse_cpu(recorded("cpuinfo_x86.txt")) == "AMD EPYC 9654 96-Core Processor"


@pytest.mark.parametrize("text", [recorded("cpuinfo_arm.txt"), "model name:\nstepping: 1\n", None])
def test_a_cpu_without_a_model_name_is_unknown(text: str | None) -> None:
    assert linux.parse_cpu(text) is None


def test_swap_in_use_is_all_of_it_less_the_free_part() -> None:
    assert linux.parse_swap_used_bytes(recorded("meminfo.txt")) == 1 << 20


@pytest.mark.parametrize("text", ["SwapTotal: 5 kB\n", "SwapTotal: x kB\nSwapFree: 1 kB\n", None])
def test_swap_with_a_figure_missing_is_unknown(text: str | None) -> None:
    assert linux.parse_swap_used_bytes(text) is None


@pytest.mark.parametrize(
    ("text", "governor"),
    [("performance\n", "performance"), ("", None), ("two words\n", None), (None, None)],
)
def test_the_governor_is_one_word(text: str | None, governor: str | None) -> None:
    assert linux.parse_governor(text) == governor


def test_a_machine_without_a_battery_has_an_unknown_power_source() -> None:
    assert [linux.power_source(plugged) for plugged in (True, False, None)] == [
        "ac",
        "battery",
        None,
    ]
