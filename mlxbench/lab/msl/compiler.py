"""Finds a compiler: any clang from version 19 on.

Kernels need clang's address spaces, `__bf16` arithmetic and vector types, so gcc and older clangs
will not do. `MLXBENCH_CLANG` names one; else the newest `clang++-NN` or `clang++` on the path is
taken; else the clang that `pip install ziglang` brings, which needs no rights on the machine. Of
Apple's own clang the version counts differently; Macs run kernels on Metal.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from mlxbench.errors import InputError

VARIABLE = "MLXBENCH_CLANG"
OLDEST_VERSION = 19
_NEWEST_VERSION = 40  # of the names that are tried
_ADVICE = (
    "install clang 19 or newer (`pip install ziglang` brings one without root; on Debian "
    f"`apt-get install clang-19`), or set {VARIABLE} to one"
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command that compiles and links C++, and the first line of what it says of its version."""

    command: tuple[str, ...]
    version: str


def find() -> Compiler:
    """The compiler to use. Raises InputError that says what to install."""
    return _find(os.environ.get(VARIABLE), os.environ.get("PATH"))


@functools.lru_cache
def _find(named: str | None, path: str | None) -> Compiler:
    if named:
        compiler = _inspect((named,))
        if compiler is None:
            raise InputError(
                f"{VARIABLE} is {named!r}, not a clang of version 19 or newer", _ADVICE
            )
        return compiler
    names = [f"clang++-{version}" for version in range(_NEWEST_VERSION, OLDEST_VERSION - 1, -1)]
    found = (shutil.which(name, path=path) for name in [*names, "clang++"])
    candidates = [(command,) for command in found if command]
    compiler = next(filter(None, map(_inspect, candidates)), None) or of_ziglang()
    if compiler is None:
        raise InputError("running Metal source on the CPU needs clang, and none was found", _ADVICE)
    return compiler


def of_ziglang() -> Compiler | None:
    """The compiler in the package `ziglang`, if that is installed.

    Its `c++` builds a C++ library before its first use, for a minute; `cc` takes C++ as well, and
    nothing here needs that library. It would also compile for the very processor it runs on, whose
    own bfloat instructions round as if there were no denormals.
    """
    if importlib.util.find_spec("ziglang") is None:
        return None
    return _inspect((sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"))


def _inspect(command: tuple[str, ...]) -> Compiler | None:
    """The compiler behind a command, or `None` if it is not a clang that will do."""
    try:
        said = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(?<!Apple )clang version (\d+)", said)
    if match is None or int(match[1]) < OLDEST_VERSION:
        return None
    return Compiler(command, said.splitlines()[0])
