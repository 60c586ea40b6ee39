"""Versions, the backend that MLX computes on, and variables that change what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.environment.software import VARIABLES
from mlxbench.errors import InputError


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The oldest version that works, and the newest that the tests have run with."""

    oldest: str
    newest: str


# `oldest` as in pyproject.toml, `newest` as in constraints.txt.
TESTED = {"mlx": VersionRange("0.32.2", "0.32.4"), "mlx-lm": VersionRange("0.32.2", "0.32.2")}
_OWN = "`./scripts/mlxbench` makes its own environment, or in yours: `pip install"
INSTALL = {
    "darwin": f"{_OWN} . -c constraints.txt`",
    "linux": f"{_OWN} '.[cpu]' -c constraints.txt`",
}


def software(machine: Machine, clang: str | InputError | None) -> Iterator[Finding]:
    """All topics of this module; `clang` as `examine` takes it."""
    yield _python(machine)
    for package, tested in TESTED.items():
        yield version(package, machine.environment.versions.get(package), tested, machine.system)
    yield backend(machine)
    yield variables(machine)
    yield kernel_runner(clang, machine.environment.accelerator_backend)


def _python(machine: Machine) -> Finding:
    """An interpreter for another processor has no MLX for this one."""
    running = machine.environment.versions.get("python", "of unknown version")
    value = f"{running}, {machine.interpreter}" if machine.interpreter else running
    apple = "apple" in (machine.environment.cpu or "").lower()
    if machine.system == "darwin" and machine.interpreter == "x86_64" and apple:
        return Finding(
            "python",
            "problem",
            f"{value}: an Intel program, translated by Rosetta",
            "install a Python for Apple silicon (its `platform.machine()` says arm64), make a new "
            "environment with it, and install mlxbench there",
        )
    return Finding("python", "ok", value)


def version(package: str, installed: str | None, tested: VersionRange, system: str) -> Finding:
    """Whether an installed version is known to work here."""
    install = INSTALL.get(system, INSTALL["linux"])
    if installed is None:
        return Finding(package, "problem", "not installed", install)
    if numbers(installed) < numbers(tested.oldest):
        found = f"{installed}, older than {tested.oldest}, the oldest that works"
        return Finding(package, "problem", found, install)
    if numbers(installed)[:2] > numbers(tested.newest)[:2]:
        return Finding(
            package,
            "warning",
            f"{installed}, newer than {tested.newest}, the newest that was tested",
            "run `mlxbench doctor --self-test` once, which checks what a new version may change",
        )
    return Finding(package, "ok", installed)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: `0.32.4.dev1` gives 0, 32, 4."""
    match = re.match(r"\d{1,9}(?:\.\d{1,9})*", version, re.ASCII)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def backend(machine: Machine) -> Finding:
    """What MLX computes on, and whether that is the best that this machine has."""
    found = machine.environment.accelerator_backend
    name = machine.environment.accelerator
    if found is None:
        return Finding(
            "backend",
            "problem",
            "MLX cannot open a device",
            f"see why with `python -c 'import mlx.core'`; {INSTALL.get(machine.system, '')}".rstrip(
                "; "
            ),
        )
    if found != "cpu":
        return Finding("backend", "ok", f"{found} ({name})" if name else found)
    if machine.gpu.nvidia:
        return Finding(
            "backend",
            "warning",
            f"cpu, although there is a GPU ({machine.gpu.nvidia[0]})",
            "start `MLXBENCH_BACKEND=cuda13 ./scripts/mlxbench`: it makes an environment with CUDA",
        )
    if machine.system == "darwin":
        return Finding(
            "backend",
            "warning",
            "cpu, although this is a Mac",
            "measure outside of a virtual machine, where there is Metal",
        )
    return Finding("backend", "ok", "cpu; what it measures does not tell what a Mac would")


def variables(machine: Machine) -> Finding:
    """Variables that change the speed of MLX; one may be meant, so this is no more than a hint."""
    found = [
        f"{name}={value}"
        for name, value in sorted(machine.environment.variables.items())
        if name in VARIABLES
    ]
    if not found:
        return Finding("variables", "ok", "none is set that changes MLX")
    names = " ".join(one.partition("=")[0] for one in found)
    return Finding("variables", "warning", ", ".join(found), f"unless meant: unset {names}")


def kernel_runner(clang: str | InputError | None, backend: str | None) -> Finding:
    """The compiler with which Metal kernels run on a CPU."""
    if clang is None:
        return Finding("clang", "unknown", "not looked for without MLX")
    if isinstance(clang, str):
        return Finding("clang", "ok", clang)
    if backend == "metal":
        advice = f"to check them on the CPU too: {clang.advice}"
        return Finding("clang", "ok", "none found; kernels run on Metal", advice)
    return Finding("clang", "warning", clang.problem, clang.advice)
