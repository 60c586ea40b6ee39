"""What is wrong with a kernel, as data: a stable kind, what happened, where, to which thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlxbench.errors import MlxbenchError


class Kind(StrEnum):
    """Stable names: records keep them, and the runtime in `native/` writes them."""

    COMPILE_ERROR = "compile-error"  # refused by the compiler, or not supported here
    HOUSE_RULE = "house-rule"  # a limit of Metal, or a rule of ours
    OUT_OF_BOUNDS = "out-of-bounds"  # of a buffer or a threadgroup variable
    ARRAY_BOUNDS = "array-bounds"  # an index outside of an array type
    MISALIGNED = "misaligned"  # an access at an address that is no multiple of its size
    INPUT_WRITE = "input-write"  # writes what it was given to read
    UNINITIALISED = "uninitialised"  # reads or returns what nobody has written
    UNWRITTEN_OUTPUT = "unwritten-output"
    RACE = "race"  # two threads, one byte, at least one writes, and no barrier orders them
    DIVERGENCE = "divergence"  # not all threads reach a barrier, or all lanes a SIMD function
    ORDER_DEPENDENT = "order-dependent"  # another result when threads run in another order
    ARITHMETIC = "arithmetic"  # division by zero, a shift by more than the width
    CRASH = "crash"
    TIMEOUT = "timeout"


_ADVICE = {
    Kind.COMPILE_ERROR: "correct the source",
    Kind.HOUSE_RULE: "change the source or the launch",
    Kind.OUT_OF_BOUNDS: "guard the index, or correct the shape or the grid",
    Kind.ARRAY_BOUNDS: "guard the index, or enlarge the array",
    Kind.MISALIGNED: "use narrower accesses, or start at a multiple of their size",
    Kind.INPUT_WRITE: "write to an output instead",
    Kind.UNINITIALISED: "set it first; outputs of atomics need init_value",
    Kind.UNWRITTEN_OUTPUT: "write every element, or give init_value",
    Kind.RACE: "put a barrier with the right mem_flags between, or make the accesses atomic",
    Kind.DIVERGENCE: "move the barrier or the SIMD function out of the branch",
    Kind.ORDER_DEPENDENT: "look for threads that rely on others without a barrier",
    Kind.ARITHMETIC: "guard the operand",
    Kind.CRASH: "look at the pointers and the recursion around that line",
    Kind.TIMEOUT: "look for a loop that does not end, or raise the time limit",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line, counted from 1, of the kernel's `source` (part `kernel`) or of its `header`."""

    part: str
    line: int

    def __str__(self) -> str:
        return f"{self.part} line {self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a kernel; `place` and `thread` where they are known."""

    kind: Kind
    message: str
    place: Place | None = None
    thread: str | None = None

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        who = f"{self.thread} " if self.thread else ""
        return f"{self.kind}{where}: {who}{self.message}"


class KernelError(MlxbenchError):
    """A kernel is wrong: `findings` tell all that is known, the first of them in the message."""

    def __init__(self, kernel: str, findings: Sequence[Finding]) -> None:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"Metal kernel {kernel!r}: {first}{more}", _ADVICE[first.kind])
        self.kernel = kernel
        self.findings = tuple(findings)

    @property
    def finding(self) -> Finding:
        """The first finding."""
        return self.findings[0]
