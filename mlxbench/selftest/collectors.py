"""The collectors of the environment: what this machine tells, and what stays unknown.

Values come from `environment.collect`, which picks them by allow-list. On a Mac nearly everything
should be known: the collectors were written from published formats and have met no machine there,
so what stays unknown is a collector that does not understand its tool, and a failed check.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from mlxbench.environment import gates
from mlxbench.environment.gpu_users import GpuUse
from mlxbench.records import Environment
from mlxbench.report.format import memory, milliseconds
from mlxbench.selftest.checked import Checked

TOPIC = "environment"
SLOWEST_CONDITIONS_S = 2.0  # they are read between trials
ANYWHERE = frozenset(
    {"os", "machine", "cpu_cores", "memory_bytes", "accelerator_backend", "load_1m", "versions"}
)
# The tool behind each topic of a Mac. A desktop without a Low Power Mode has none to tell.
MAC_TOOLS: Mapping[str, str] = {
    "os": "sw_vers",
    "os_version": "sw_vers",
    "machine": "sysctl",
    "cpu": "sysctl",
    "memory_bytes": "sysctl",
    "memory_pressure_level": "sysctl",
    "swap_used_bytes": "sysctl",
    "accelerator_cores": "system_profiler",
    "accelerator_utilisation": "ioreg",
    "power_source": "pmset",
    "thermal_level": "notifyutil",
}
GPU_TOOLS: Mapping[str, str] = {"darwin": "ioreg", "linux": "nvidia-smi"}
ON_METAL = frozenset({"accelerator", "accelerator_memory_bytes"})

Which = Callable[[str], str | None]


def check(found: Environment, system: str, which: Which = shutil.which) -> Iterator[Checked]:
    """Each topic; `system` is `sys.platform`, and decides what has to be known."""
    for name in (field.name for field in fields(found)):
        value = getattr(found, name)
        known = value is not None and value != {}
        due = name in ANYWHERE
        if system == "darwin":
            due = due or name in MAC_TOOLS or name in ON_METAL
        if name == "variables":  # none set is the usual case
            known, due = True, False
        yield Checked(
            TOPIC,
            label(name),
            known if due else None,
            _shown(name, value) if known else "unknown",
            "known" if due else "",
            _said(known, MAC_TOOLS.get(name) if system == "darwin" else None, which),
        )


def label(name: str) -> str:
    """A topic's name for people: memory_bytes is memory."""
    return name.replace("_", " ").removesuffix(" bytes")


def speed(conditions_s: float) -> Checked:
    """How long reading what changes takes, which happens between trials."""
    return Checked(
        TOPIC,
        "conditions read in",
        conditions_s <= SLOWEST_CONDITIONS_S,
        milliseconds(conditions_s),
        f"at most {milliseconds(SLOWEST_CONDITIONS_S)}",
        "heat, power, pressure, swap and load, as they are read between trials",
        {"seconds": conditions_s},
    )


def gpu_users(found: GpuUse, system: str, which: Which = shutil.which) -> Checked:
    """Whether the machine tells who else uses the GPU: how many, for their names are private."""
    users = found.users
    busiest = max((user.share for user in users or () if user.share is not None), default=0.0)
    tool = GPU_TOOLS.get(system)
    return Checked(
        TOPIC,
        "other GPU users",
        users is not None if system == "darwin" else None,
        "unknown" if users is None else f"{len(users)}, the busiest {busiest:.0%} of the time",
        "known" if system == "darwin" else "",
        "as `doctor` tells, without the names of programs"
        if users is not None
        else _said(False, tool, which),
    )


def sleep_setting(minutes: int | None) -> Checked:
    """After how many idle minutes a Mac sleeps: never, while the lock's holder forbids it."""
    return Checked(
        TOPIC,
        "sleeps after",
        minutes is not None,
        "unknown" if minutes is None else f"{minutes} min" if minutes else "never",
        "known",
        "from pmset, which should say never while mlxbench measures and keeps the Mac awake",
    )


def conditions(found: Environment) -> Iterator[Checked]:
    """What would spoil a measurement on this machine now: it explains what is too noisy."""
    for notice in gates.check(found):
        said = f"{notice.message}; {notice.advice}"
        yield Checked(TOPIC, notice.code, None, "yes", "", said)


def _shown(name: str, value: object) -> str:
    if isinstance(value, int) and name.endswith("_bytes"):
        return memory(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or "none set"
    if isinstance(value, float):
        return f"{round(value, 1 if abs(value) >= 1 else 2):g}"
    return str(value)


def _said(known: bool, tool: str | None, which: Which) -> str:
    if known or tool is None:
        return "as kept with every measurement" if known else "this machine does not tell"
    if which(tool) is None:
        return f"{tool} is not on the PATH"
    return f"{tool} is there, but what it says was not understood"
