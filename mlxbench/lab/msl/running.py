"""Runs compiled kernels, each run in a process of its own.

A kernel that crashes, never ends or leaves its process is a finding, not our end. Its buffers lie
in one nameless file that both processes map; the program's command line says what is where (see
`native/job.cpp`), and what it writes to its standard output says what it found
(`native/reports.h`).

This is no sandbox: a kernel is a program that runs with the rights of whoever checks it.
"""

from __future__ import annotations

import mmap
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from mlxbench.errors import MlxbenchError
from mlxbench.lab.msl.arrays import Buffer, Bytes, Role
from mlxbench.lab.msl.debug_lines import line_of
from mlxbench.lab.msl.findings import Finding, Kind, Place
from mlxbench.lab.msl.source import Launch
from mlxbench.lab.msl.translating import HEADER, KERNEL

_GRACE_S = 5.0  # for a process that does not even answer its own timer
_EX_SOFTWARE = 70  # how the runtime ends when the fault is not the kernel's
_DONE = "done"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one run left: findings, or else the bytes of each output."""

    findings: tuple[Finding, ...]
    outputs: tuple[Bytes, ...]


class SharedBuffers:
    """Buffers in a file that kernels map, for one run after the other."""

    def __init__(self, file: IO[bytes], buffers: Sequence[Buffer]) -> None:
        self._file = file
        self._buffers = buffers
        self._offsets: list[int] = []
        end = 0
        for buffer in buffers:
            self._offsets.append(end)
            end += -(-buffer.content.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        file.truncate(max(end, mmap.PAGESIZE))
        self._memory = np.memmap(file, np.uint8, "r+")
        for buffer, offset in zip(buffers, self._offsets, strict=True):
            self._memory[offset : offset + buffer.content.nbytes] = buffer.content

    def run(self, program: Path, launch: Launch, order: int, time_limit_s: float) -> Run:
        """One run from the buffers' first content. Raises MlxbenchError if nothing could run."""
        for buffer, part in self._outputs():
            part[:] = buffer.content
        command = [str(program), *self._job(launch, order, time_limit_s)]
        try:
            done = subprocess.run(
                command,
                pass_fds=[self._file.fileno()],
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=time_limit_s + _GRACE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Run((Finding(Kind.TIMEOUT, f"still runs after {time_limit_s:g} s"),), ())
        except OSError as error:
            raise MlxbenchError(
                f"cannot run {program} ({error})", "delete that file; it is made again"
            ) from error
        findings = _read_report(program, done)
        return Run(findings, () if findings else tuple(part.copy() for _, part in self._outputs()))

    def _outputs(self) -> Iterator[tuple[Buffer, Bytes]]:
        for buffer, offset in zip(self._buffers, self._offsets, strict=True):
            if buffer.role is not Role.INPUT:
                yield buffer, self._memory[offset : offset + buffer.content.nbytes]

    def _job(self, launch: Launch, order: int, time_limit_s: float) -> Iterator[str]:
        limit_ms = max(1, round(time_limit_s * 1000))
        numbers = (self._file.fileno(), *launch.grid, *launch.threadgroup, order, limit_ms)
        yield from map(str, numbers)
        for buffer, offset in zip(self._buffers, self._offsets, strict=True):
            yield from (buffer.name, buffer.role.value)
            yield from map(str, (offset, buffer.content.nbytes, buffer.element_bytes))


@contextmanager
def shared(buffers: Sequence[Buffer]) -> Iterator[SharedBuffers]:
    """Put buffers where kernels can map them."""
    with tempfile.TemporaryFile() as file:
        yield SharedBuffers(file, buffers)


def _read_report(program: Path, done: subprocess.CompletedProcess[bytes]) -> tuple[Finding, ...]:
    lines = done.stdout.decode(errors="replace").splitlines()
    ended = bool(lines) and lines[-1].partition("\t")[0] == _DONE
    found = [_finding(program, line) for line in (lines[:-1] if ended else lines)]
    # A missing barrier also shows as a read that came too early; the race says more.
    findings = tuple(sorted(found, key=lambda finding: finding.kind is Kind.UNINITIALISED))
    if findings or (ended and done.returncode == 0):
        return findings
    if done.returncode == _EX_SOFTWARE:
        said = done.stderr.decode(errors="replace").strip()
        raise MlxbenchError(f"cannot run a Metal kernel here ({said})", "use a smaller problem")
    return (Finding(Kind.CRASH, _how_it_ended(done.returncode)),)


def _how_it_ended(status: int) -> str:
    if status < 0:
        name = signal.strsignal(-status) or "unknown"
        return f"ended by signal {-status} ({name})"
    return f"left its process with status {status} before the grid was done"


def _finding(program: Path, line: str) -> Finding:
    """One line of the report. What a kernel wrote there itself is a crash with that text."""
    fields = line.split("\t", 6)
    try:
        kind = Kind(fields[0])
        address, latest, file, number, thread, message = fields[1:]
        place = _place(program, (int(address, 16), int(latest, 16)), file, int(number))
    except ValueError:
        return Finding(Kind.CRASH, f"wrote {line[:80]!r} where only the runtime writes")
    return Finding(kind, message, place, None if thread == "-" else thread)


def _place(program: Path, addresses: Sequence[int], file: str, line: int) -> Place | None:
    """The place that the runtime names, or the line of the first address that is the kernel's."""
    if file in (HEADER, KERNEL):
        return Place(file, line)
    places = (line_of(program, address) for address in addresses if address)
    return next((place for place in places if place is not None), None)
