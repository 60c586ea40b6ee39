"""What a Mac tells without root.

Each `parse_*` is a pure function from what a tool printed to a value. Levels as the system counts
them: thermal pressure 0 (nominal) to 4; memory pressure 1 (normal), 2 (warning), 4 (critical).

Trap: `iogpu.wired_limit_mb` is 0 as long as nobody has set it. A value somebody set raises what MLX
may wire down and with it what fits, so it is recorded, among the variables; 0 is not.
"""

from __future__ import annotations

import dataclasses
import re

from mlxbench.environment import host
from mlxbench.environment.commands import command_output
from mlxbench.environment.parsing import find, find_integer
from mlxbench.records import Environment

WIRED_LIMIT = "iogpu.wired_limit_mb"
THERMAL_LEVEL = "com.apple.system.thermalpressurelevel"
SYSTEM_PROFILER_TIMEOUT_S = 5.0  # it starts plug-ins of its own and is the slowest tool by far
MEBIBYTE = 1 << 20


def collect_host() -> Environment:
    """All topics of a Mac except those that MLX, Python and the load average tell."""
    versions = command_output("sw_vers")
    displays = command_output(
        "system_profiler", "SPDisplaysDataType", "-json", timeout_s=SYSTEM_PROFILER_TIMEOUT_S
    )
    return collect_conditions(
        Environment(
            os=parse_os(versions),
            os_version=parse_os_version(versions),
            machine=parse_name(_sysctl("hw.model")),
            cpu=parse_name(_sysctl("machdep.cpu.brand_string")),
            cpu_cores=host.cpu_cores(),
            memory_bytes=parse_number(_sysctl("hw.memsize")),
            accelerator_cores=parse_gpu_cores(displays),
            variables=parse_wired_limit(_sysctl(WIRED_LIMIT)),
        )
    )


def collect_conditions(known: Environment) -> Environment:
    """`known` with the topics that change from minute to minute; quick enough between trials."""
    accelerator = command_output("ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
    return dataclasses.replace(
        known,
        accelerator_utilisation=parse_gpu_utilisation(accelerator),
        power_source=parse_power_source(command_output("pmset", "-g", "batt")),
        low_power_mode=parse_low_power_mode(command_output("pmset", "-g")),
        thermal_level=parse_thermal_level(command_output("notifyutil", "-g", THERMAL_LEVEL)),
        memory_pressure_level=parse_number(_sysctl("kern.memorystatus_vm_pressure_level")),
        swap_used_bytes=parse_swap_used_bytes(_sysctl("vm.swapusage")),
    )


def collect_sleep_minutes() -> int | None:
    """Idle minutes after which the system sleeps; 0 for never. A program may forbid it."""
    return parse_sleep_minutes(command_output("pmset", "-g"))


def _sysctl(name: str) -> str | None:
    return command_output("sysctl", "-n", name)


def parse_os(sw_vers: str | None) -> str | None:
    """The product's name: macOS."""
    return find(r"^ProductName:[ \t]*(\S.*?)[ \t]*$", sw_vers)


def parse_os_version(sw_vers: str | None) -> str | None:
    """The product's version, such as 15.5."""
    return find(r"^ProductVersion:[ \t]*([0-9.]+)[ \t]*$", sw_vers)


def parse_name(text: str | None) -> str | None:
    """A name that is all of a one-line output, such as Mac15,14 or Apple M3 Ultra."""
    return find(r"\A([\w ,.()@-]{1,64})\n?\Z", text)


def parse_number(text: str | None) -> int | None:
    """A number that is all of a one-line output."""
    return find_integer(r"\A(\d{1,18})\n?\Z", text)


def parse_wired_limit(text: str | None) -> dict[str, str]:
    """The wired limit in MiB, as a variable, if somebody set one."""
    limit = parse_number(text)
    return {WIRED_LIMIT: str(limit)} if limit else {}


def parse_thermal_level(notifyutil: str | None) -> int | None:
    """0 nominal … 4."""
    return find_integer(rf"^{THERMAL_LEVEL} ([0-4])$", notifyutil)


def parse_power_source(pmset_batt: str | None) -> str | None:
    """`ac`, `battery` or `ups`."""
    source = find(r"^Now drawing from '(AC|Battery|UPS) Power'", pmset_batt)
    return None if source is None else source.lower()


def parse_low_power_mode(pmset: str | None) -> bool | None:
    """Whether Low Power Mode is on.

    Macs that also have a High Power Mode may say `powermode` (0 automatic, 1 low, 2 high) instead
    of `lowpowermode`.
    """
    mode = find_integer(r"^[ \t]*(?:lowpowermode|powermode)[ \t]+([0-2])[ \t]*$", pmset)
    return None if mode is None else mode == 1


def parse_sleep_minutes(pmset: str | None) -> int | None:
    """Idle minutes until sleep; 0 for never, and while `caffeinate` forbids it.

    Other programs forbid it too, for as long as they like: the display's being on is one reason.
    """
    setting = find(r"^[ \t]*sleep[ \t]+(\d{1,5}\b.*)$", pmset)
    if setting is None:
        return None
    minutes, _, prevented = setting.partition(" ")
    return 0 if re.search(r"\bcaffeinate\b", prevented) else int(minutes)


def parse_swap_used_bytes(swapusage: str | None) -> int | None:
    """Bytes of swap in use; the tool prints MiB with two decimals."""
    used = find(r"\bused = (\d{1,9}\.\d+)M\b", swapusage)
    return None if used is None else round(float(used) * MEBIBYTE)


def parse_gpu_utilisation(ioreg: str | None) -> float | None:
    """The share of time, 0 to 1, that the GPU was busy lately, whoever used it."""
    percent = find_integer(r'"Device Utilization %"=(\d{1,3})\b', ioreg)
    return None if percent is None or percent > 100 else percent / 100


def parse_gpu_cores(displays: str | None) -> int | None:
    """GPU cores. The text around them names displays and their serial numbers: nothing is read."""
    return find_integer(r'"sppci_cores"\s*:\s*"(\d{1,4})"', displays)
