"""What changes from minute to minute: heat, power, other work.

Wherever a gate of the measurements watches a topic, its own words and threshold are used, so that
the doctor and the warnings on a record never disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.environment import gates
from mlxbench.records import Environment, Notice

LARGEST_STALL: Mapping[str, float] = {"cpu": 0.25, "memory": 0.01, "io": 0.25}
STEADY_GOVERNORS = ("performance",)
UNTOLD = "this machine does not tell"


def conditions(machine: Machine) -> Iterator[Finding]:
    """All topics of this module that this system knows of."""
    failed = {notice.code: notice for notice in gates.check(machine.environment)}
    mac = machine.system == "darwin"
    power = machine.environment.power_source
    if mac:
        yield _thermal(machine.environment, failed)
    if mac or power is not None:  # elsewhere, none is told where there is no battery
        shown = {"ac": "mains"}.get(power or "", power)
        yield gated("power", shown, failed.get("on-battery"))
    if mac:
        yield _low_power(machine.environment, failed)
        yield _sleep(machine.sleep_minutes)
    yield _load(machine.environment, failed)
    if not mac:
        yield from _governor(machine.environment)
        yield from _stalls(machine.stalls)


def gated(topic: str, value: str | None, notice: Notice | None) -> Finding:
    """What a gate says of a topic: its warning, the value that passed, or nothing known."""
    if notice is not None:
        return Finding(topic, "warning", notice.message, notice.advice)
    if value is None:
        return Finding(topic, "unknown", UNTOLD)
    return Finding(topic, "ok", value)


def _thermal(environment: Environment, failed: Mapping[str, Notice]) -> Finding:
    level = environment.thermal_level
    shown = None if level is None else "no thermal pressure"
    return gated("thermal", shown, failed.get("thermal-pressure"))


def _low_power(environment: Environment, failed: Mapping[str, Notice]) -> Finding:
    on = environment.low_power_mode
    return gated("low-power-mode", None if on is None else "off", failed.get("low-power-mode"))


def _load(environment: Environment, failed: Mapping[str, Notice]) -> Finding:
    load, cores = environment.load_1m, environment.cpu_cores
    known = load is not None and cores
    shown = f"the load of the last minute was {load:.1f} on {cores} cores" if known else None
    return gated("load", shown, failed.get("busy-machine"))


def _sleep(minutes: int | None) -> Finding:
    if minutes is None:
        return Finding("sleep", "unknown", UNTOLD)
    if minutes == 0:
        return Finding("sleep", "ok", "does not sleep by itself")
    value = f"after {minutes} min without input; mlxbench keeps the Mac awake while it measures"
    return Finding("sleep", "ok", value)


def _governor(environment: Environment) -> Iterator[Finding]:
    """Only where cores compute: a GPU keeps its own clocks."""
    governor = environment.cpu_governor
    if governor is None:
        return
    if environment.accelerator_backend != "cpu" or governor in STEADY_GOVERNORS:
        yield Finding("governor", "ok", governor)
        return
    yield Finding(
        "governor",
        "warning",
        f"{governor}, which changes the clock of the cores",
        "keep it up while measuring: sudo cpupower frequency-set --governor performance",
    )


def _stalls(stalls: Mapping[str, float]) -> Iterator[Finding]:
    """Work of any program that waited for something in the last ten seconds."""
    if not stalls:
        return
    shown = ", ".join(f"{name} {share:.0%}" for name, share in stalls.items())
    value = f"work waited in the last 10 s for: {shown}"
    short = [name for name, share in stalls.items() if share > LARGEST_STALL[name]]
    if not short:
        yield Finding("stalls", "ok", value)
        return
    advice = f"end what uses so much {' and '.join(short)}, or wait, and measure again"
    yield Finding("stalls", "warning", value, advice)
