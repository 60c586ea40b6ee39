"""Compiles translated kernels, each to a small program of its own, and keeps them.

A program is kept under the digest of everything that it is made from: text, flags, compiler, and
our own native files. So nothing is ever out of date, and two kernels can share a name. Programs are
made under another name and put into place in one step: two processes that need the same one at the
same time both make it, and either may win.

A kernel is compiled in one of two ways. *Checked*: the compiler calls the runtime on every load and
store, and variables that were not set hold a pattern (as floats, NaN). *Plain*: without calls, and
such variables hold zeros. A result that differs between the two comes from them.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlxbench.errors import MlxbenchError
from mlxbench.lab.msl.compiler import Compiler
from mlxbench.lab.msl.findings import Finding, KernelError, Kind, Place
from mlxbench.lab.msl.translating import HEADER, KERNEL
from mlxbench.paths import cache_directory

NATIVE = Path(__file__).parent / "native"
TIME_LIMIT_S = 120
_COMMON_FLAGS = (
    "-std=c++20", "-fPIE", "-fno-exceptions", "-fno-rtti", "-fno-sanitize=all", "-fsigned-char",
)  # fmt: skip
RUNTIME_FLAGS = (*_COMMON_FLAGS, "-O2", "-Wall", "-Wextra", "-Werror")
KERNEL_FLAGS = (
    *_COMMON_FLAGS, "-w", f"-I{NATIVE}", f"-I{NATIVE / 'metal'}", "-gdwarf-4", "-gline-tables-only",
    "-O1", "-Xclang", "-O1",  # zig makes -O2 of the first
    # No access may turn into a call of memcpy, which nothing would watch, or join others.
    "-fno-builtin", "-fno-vectorize", "-fno-slp-vectorize",
    "-mllvm", "-aggressive-instcombine-max-scan-instrs=0",
    # Arithmetic as Metal's: each operation rounded in its own type, and 0.5 is a float.
    "-ffp-contract=off", "-fno-math-errno", "-Xclang", "-cl-single-precision-constant",
    "-Xclang", "-ffloat16-excess-precision=none", "-Xclang", "-fbfloat16-excess-precision=none",
)  # fmt: skip
PLAIN_FLAGS = ("-ftrivial-auto-var-init=zero",)
CHECKED_FLAGS = (
    "-DMSL_CHECKED", "-ftrivial-auto-var-init=pattern",
    "-fsanitize-coverage=func,trace-loads,trace-stores",
    "-fsanitize=array-bounds,integer-divide-by-zero,shift-exponent", "-fsanitize-recover=all",
    "-fsanitize-minimal-runtime",
)  # fmt: skip
# What the checks call is in our own runtime; nobody else's is linked.
_LINK_FLAGS = ("-pie", "-nostdlib++", "-fno-sanitize-link-runtime")
_ERROR = re.compile(r"^.*?error: (.*)$", re.M)
_UNDEFINED = re.compile(r"undefined (?:reference to|symbol:) [`']?(.*?)'?$", re.M)
_FROM_THE_KERNEL = re.compile(rf"^({HEADER}|{KERNEL}):(\d+):\d+: ", re.M)


@dataclass(frozen=True, slots=True)
class Program:
    """A kernel ready to run; `compiled` says whether it had to be made."""

    path: Path
    compiled: bool


def build(kernel: str, text: str, checked: bool, compiler: Compiler) -> Program:
    """The program of a translated kernel, checked or plain.

    Raises KernelError with what the compiler said of the kernel.
    """
    flags = (*KERNEL_FLAGS, *(CHECKED_FLAGS if checked else PLAIN_FLAGS))
    path = cache() / _digest(compiler, flags, text)
    if path.is_file():
        return Program(path, compiled=False)
    runtime = _runtime(compiler)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        source, made = Path(folder, "kernel.cpp"), Path(folder, "kernel")
        source.write_text(text, encoding="utf-8")
        parts = sorted(str(part) for part in runtime.glob("*.o"))
        said = _run(compiler, [*flags, *_LINK_FLAGS, str(source), *parts, "-lm", "-o", str(made)])
        if said is not None:
            raise KernelError(kernel, [_compile_error(said)])
        made.replace(path)
    return Program(path, compiled=True)


def cache() -> Path:
    """Where programs are kept."""
    return cache_directory() / "msl"


def _runtime(compiler: Compiler) -> Path:
    """The folder with the object files of the runtime."""
    folder = cache() / f"runtime-{_digest(compiler, RUNTIME_FLAGS, '')}"
    if folder.is_dir():
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as parent:
        made = Path(parent, "runtime")
        made.mkdir()
        for source in sorted(NATIVE.glob("*.cpp")):
            module = made / f"{source.stem}.o"
            said = _run(compiler, [*RUNTIME_FLAGS, "-c", str(source), "-o", str(module)])
            if said is not None:
                raise MlxbenchError(
                    f"the runtime of the Metal kernels does not compile ({said.strip()[:300]!r})",
                    f"use another clang than {compiler.version}",
                )
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def _run(compiler: Compiler, arguments: list[str]) -> str | None:
    """Run the compiler; what it said if it failed, else `None`."""
    try:
        done = subprocess.run(
            [*compiler.command, *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"error: the compiler did not end within {TIME_LIMIT_S} s"
    return None if done.returncode == 0 else done.stderr


def environment() -> dict[str, str]:
    """Ours, in English for the parser of errors, and with zig's own cache within ours."""
    zig = cache() / "zig"
    return {
        **os.environ,
        "LC_ALL": "C",
        "ZIG_GLOBAL_CACHE_DIR": str(zig),
        "ZIG_LOCAL_CACHE_DIR": str(zig),
    }


def _compile_error(said: str) -> Finding:
    """The first error, at the line of the kernel that it is in or that led to it."""
    error = _ERROR.search(said)
    if error is None:
        return Finding(Kind.COMPILE_ERROR, said.strip()[:300] or "the compiler failed silently")
    message = error[1].strip()
    if undefined := _UNDEFINED.search(said):
        return Finding(Kind.COMPILE_ERROR, f"{undefined[1]} is declared, but nowhere defined")
    if "poisoned identifier" in message:
        message = "Metal has no `double`"
    elif "automatic variable qualified with an address space" in message:
        message = f"not supported by msl-cpu: this form of a threadgroup variable ({message})"
    _, failed, stated = message.partition("static assertion failed")
    if failed:
        message = stated.rpartition(": ")[2]
    where = _FROM_THE_KERNEL.search(said, error.start())
    place = Place(where[1], int(where[2])) if where else None
    return Finding(Kind.COMPILE_ERROR, message, place)


def _digest(compiler: Compiler, flags: tuple[str, ...], text: str) -> str:
    parts = [*compiler.command, compiler.version, *flags, text, _native_digest()]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@lru_cache
def _native_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in NATIVE.rglob("*") if path.is_file()):
        digest.update(file.relative_to(NATIVE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
