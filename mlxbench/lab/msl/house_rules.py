"""Rules for kernels that can be read off the source and the launch.

Metal itself bounds the threads of a threadgroup and its memory, and has neither `double` nor
recursion. That a grid is a multiple of the threadgroup and a threadgroup of the SIMD width are our
own rules: partial threadgroups and SIMD groups behave differently on Metal (exact threads) and
CUDA (rounded up), and are where reductions go wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mlxbench.lab.msl.findings import Finding, Kind, Place
from mlxbench.lab.msl.source import KernelSource, Launch
from mlxbench.lab.msl.text import blank_comments, end_of_block

MAX_THREADS = 1024
MAX_BUFFERS = 31
SIMD_WIDTH = 32
_MAX_GRID_THREADS = (1 << 32) - 1
_DEFINITION = re.compile(r"\b(\w+)\s*\([^;{}]*\)\s*(?:const\s*|thread\s*)*\{")
_KEYWORDS = {"if", "for", "while", "switch"}


def limits(launch: Launch) -> tuple[Finding, ...]:
    """What no Metal device would launch."""
    return tuple(Finding(Kind.HOUSE_RULE, message) for message in _beyond_limits(launch))


def of_buffers(names: Sequence[str]) -> tuple[Finding, ...]:
    """More buffers, with those for shapes, than Metal has places for."""
    if len(names) <= MAX_BUFFERS:
        return ()
    message = f"the kernel has {len(names)} buffers; the rule is at most {MAX_BUFFERS}"
    return (Finding(Kind.HOUSE_RULE, message),)


def of_launch(launch: Launch) -> tuple[Finding, ...]:
    """What our own rules forbid in a launch that is within the limits."""
    return tuple(Finding(Kind.HOUSE_RULE, message) for message in _against_rules(launch))


def of_source(kernel: KernelSource) -> tuple[Finding, ...]:
    """`double`, and functions that call themselves, directly or through others."""
    findings = []
    for part, text in (("header", kernel.header), ("kernel", kernel.source)):
        code = blank_comments(text)
        if match := re.search(r"\bdouble\b", code):
            place = Place(part, code.count("\n", 0, match.start()) + 1)
            findings.append(
                Finding(Kind.HOUSE_RULE, "uses `double`; the rule is float or narrower", place)
            )
    calls = _calls(blank_comments(kernel.header))
    for name in sorted(calls):
        if name in _reached(calls, name):
            message = f"function '{name}' calls itself; the rule is no recursion"
            findings.append(Finding(Kind.HOUSE_RULE, message))
    return tuple(findings)


def _beyond_limits(launch: Launch) -> Iterator[str]:
    for what, size in (("grid", launch.grid), ("threadgroup", launch.threadgroup)):
        if len(size) != 3 or min(size) < 1:
            yield f"the {what} is {size}; the rule is three numbers of at least 1"
            return
    threads = _volume(launch.threadgroup)
    if threads > MAX_THREADS:
        yield f"a threadgroup has {threads} threads; the rule is at most {MAX_THREADS}"
    if _volume(launch.grid) > _MAX_GRID_THREADS:
        yield f"the grid has {_volume(launch.grid)} threads; the rule is at most 2^32 - 1"


def _against_rules(launch: Launch) -> Iterator[str]:
    for axis, grid, threads in zip("xyz", launch.grid, launch.threadgroup, strict=True):
        if grid % threads:
            yield (
                f"the grid has {grid} threads in {axis}; the rule is a multiple of the "
                f"threadgroup, which has {threads}"
            )
    threads = _volume(launch.threadgroup)
    if threads % SIMD_WIDTH:
        yield f"a threadgroup has {threads} threads; the rule is a multiple of {SIMD_WIDTH}"


def _volume(size: tuple[int, ...]) -> int:
    volume = 1
    for extent in size:
        volume *= extent
    return volume


def _calls(code: str) -> Mapping[str, set[str]]:
    """Which functions each function of `code` names before a parenthesis or template arguments."""
    bodies = {
        match[1]: code[match.end() : end_of_block(code, match.end())]
        for match in _DEFINITION.finditer(code)
        if match[1] not in _KEYWORDS
    }
    return {
        name: {other for other in bodies if re.search(rf"(?<![.\w]){other}\s*[<(]", body)}
        for name, body in bodies.items()
    }


def _reached(calls: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    todo = set(calls[start])
    while todo:
        name = todo.pop()
        reached.add(name)
        todo |= calls[name] - reached
    return reached
