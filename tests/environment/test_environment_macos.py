from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxbench.environment import macos
from mlxbench.environment.commands import command_output
from mlxbench.records import Environment
from tests.environment.recordings import FOLDER, recorded

TOOLS = {
    ("sw_vers", ""): "versions.txt",
    ("notifyutil", "-g com.apple.system.thermalpressurelevel"): "thermal_heavy.txt",
    ("pmset", "-g batt"): "power_battery.txt",
    ("pmset", "-g"): "settings_low_power.txt",
    ("sysctl", "-n hw.model"): "model.txt",
    ("sysctl", "-n hw.memsize"): "memory_size.txt",
    ("sysctl", "-n machdep.cpu.brand_string"): "brand.txt",
    ("sysctl", "-n iogpu.wired_limit_mb"): "wired_limit_set.txt",
    ("sysctl", "-n kern.memorystatus_vm_pressure_level"): "memory_pressure_warning.txt",
    ("sysctl", "-n vm.swapusage"): "swap.txt",
    ("ioreg", "-r -d 1 -w 0 -c IOAccelerator"): "accelerator.txt",
    ("system_profiler", "SPDisplaysDataType -json"): "displays.txt",
}


@pytest.fixture
def mac_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, first on the PATH, that answer as the tools of a Mac do."""
    for tool in {name for name, _ in TOOLS}:
        cases = "\n".join(
            f"'{arguments}') cat '{FOLDER / answer}';;"
            for (name, arguments), answer in TOOLS.items()
            if name == tool
        )
        program = tmp_path / tool
        program.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\n*) exit 1;;\nesac\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.usefixtures("mac_tools")
def test_a_mac_is_described_by_its_tools() -> None:
    assert dataclasses.replace(macos.collect_host(), cpu_cores=None) == Environment(
        os="macOS",
        os_version="15.5",
        machine="Mac15,14",
        cpu="Apple M3 Ultra",
        memory_bytes=512 << 30,
        accelerator_cores=80,
        accelerator_utilisation=0.27,
        variables={"iogpu.wired_limit_mb": "458752"},
        power_source="battery",
        low_power_mode=True,
        thermal_level=2,
        memory_pressure_level=2,
        swap_used_bytes=1_074_266_112,
    )


@pytest.mark.usefixtures("mac_tools")
def test_serial_numbers_and_identifiers_stay_in_the_tools_output() -> None:
    everything = repr(dataclasses.asdict(macos.collect_host()))

    displays = command_output("system_profiler", "SPDisplaysDataType", "-json")
    for secret in ("C02CANARY1SN", "0B5A9C1E", "Studio Display"):
        assert secret in (displays or "")
        assert secret not in everything
    assert "23134307" in recorded("power_battery.txt")
    assert "23134307" not in everything


def test_a_mac_without_any_tool_is_merely_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert dataclasses.replace(macos.collect_host(), cpu_cores=None) == Environment()


@pytest.mark.parametrize(("name", "level"), [("thermal_nominal.txt", 0), ("thermal_heavy.txt", 2)])
def test_the_thermal_level_is_read(name: str, level: int) -> None:
    assert macos.parse_thermal_level(recorded(name)) == level


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (recorded("power_ac.txt"), "ac"),
        (recorded("power_battery.txt"), "battery"),
        ("Now drawing from 'UPS Power'\n", "ups"),
    ],
)
def test_the_power_source_is_read(text: str, source: str) -> None:
    assert macos.parse_power_source(text) == source


@pytest.mark.parametrize(
    ("text", "on"),
    [
        (recorded("settings_normal.txt"), False),
        (recorded("settings_low_power.txt"), True),
        (recorded("settings_powermode.txt"), False),
        (" powermode            1\n", True),
        (" displaysleep         1\n", None),
    ],
)
def test_low_power_mode_is_read_in_both_spellings(text: str, on: bool | None) -> None:
    assert macos.parse_low_power_mode(text) is on


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        (recorded("settings_normal.txt"), 0),
        (" sleep                1 (sleep prevented by powerd, bluetoothd)\n", 1),
        (" sleep                1 (sleep prevented by bluetoothd, caffeinate)\n", 0),
        (" disksleep            10\n sleep                0\n", 0),
        (" displaysleep         10\n", None),
    ],
)
def test_a_mac_sleeps_unless_caffeinate_forbids_it(text: str, minutes: int | None) -> None:
    assert macos.parse_sleep_minutes(text) == minutes


@pytest.mark.parametrize(
    ("name", "level"), [("memory_pressure_normal.txt", 1), ("memory_pressure_warning.txt", 2)]
)
def test_the_memory_pressure_level_is_read(name: str, level: int) -> None:
    assert macos.parse_number(recorded(name)) == level


def test_a_wired_limit_nobody_set_is_not_recorded() -> None:
    assert macos.parse_wired_limit(recorded("wired_limit_unset.txt")) == {}


@pytest.mark.parametrize("text", [None, "", "\n", "two\nlines\n", "\x1b[31mred\n", "x" * 65])
def test_a_name_is_one_short_plain_line(text: str | None) -> None:
    assert macos.parse_name("Intel(R) Core(TM) i9 CPU @ 2.30GHz\n") is not None
    assert macos.parse_name(text) is None


def test_a_gpu_that_claims_to_be_over_full_is_unknown() -> None:
    assert macos.parse_gpu_utilisation('"Device Utilization %"=100,') == 1.0
    assert macos.parse_gpu_utilisation('"Device Utilization %"=101,') is None


PARSERS: tuple[Callable[[str | None], object], ...] = (
    macos.parse_os,
    macos.parse_os_version,
    macos.parse_number,
    macos.parse_thermal_level,
    macos.parse_power_source,
    macos.parse_low_power_mode,
    macos.parse_sleep_minutes,
    macos.parse_swap_used_bytes,
    macos.parse_gpu_utilisation,
    macos.parse_gpu_cores,
)
MALFORMED = (
    None,
    "",
    "\n",
    "{",
    "\ufffd\x00\x1b[31m",
    "com.apple.system.thermalpressurelevel 9\n",
    "com.apple.system.thermalpressurelevel failed\n",
    "Now drawing from 'Wind Power'\n",
    "lowpowermode on\n",
    "sleep soon\n",
    "used = lots\n",
    f"used = {'9' * 400}.0M\n",
    f"{'9' * 5000}\n",
    '"sppci_cores" : "many"\n',
    "ProductName:\nProductVersion:\n",
)


@pytest.mark.parametrize("text", MALFORMED)
@pytest.mark.parametrize("parse", PARSERS)
def test_a_malformed_answer_is_unknown(
    parse: Callable[[str | None], object], text: str | None
) -> None:
    assert parse(text) is None
