"""When do dispatching, evaluating and waiting come back, and is the value ready then?

A clock may be read only after something that comes back when the device is done. Which calls do is
measured here, on a piece of work that takes the device a tenth of a second or more: each call is
timed, and then the value is read. If reading takes time, the call had come back too early.

The piece of work is a handful of large matrix products, each of which needs the one before: MLX
holds `async_eval` up while more than ten operations are under way, which would hide the trap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
from mlx_lm.generate import generation_stream

PRODUCTS = 6  # fewer than MLX lets wait
SMALLEST, LARGEST = 256, 8192  # values along a side
WORK_S = 0.1


def _wait() -> None:
    mx.synchronize(generation_stream)


@dataclass(frozen=True, slots=True)
class Calls:
    """How a device is asked to work and waited for; the defaults are what the engine uses."""

    dispatch: Callable[[mx.array], None] = mx.async_eval
    evaluate: Callable[[mx.array], None] = mx.eval
    wait: Callable[[], None] = _wait
    bare_wait: Callable[[], None] = mx.synchronize


@dataclass(frozen=True, slots=True)
class Asynchrony:
    """Seconds: of the work itself, until each call came back, and for reading the value then."""

    work_s: float
    evaluated_s: float
    read_after_evaluate_s: float
    dispatched_s: float
    waited_s: float
    read_after_wait_s: float
    bare_waited_s: float
    read_after_bare_wait_s: float


class Work:
    """Matrix products of `size` on the generation stream."""

    def __init__(self, size: int) -> None:
        self.size = size
        with mx.stream(generation_stream):
            self._matrix = mx.random.normal((size, size)) * size**-0.5  # so that products keep size
            mx.eval(self._matrix)

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * PRODUCTS * self.size**3

    def build(self) -> mx.array:
        """The graph of the work, whose value is one number."""
        with mx.stream(generation_stream):
            x = self._matrix
            for _ in range(PRODUCTS):
                x = x @ self._matrix
            return mx.sum(x)

    def seconds(self) -> float:
        """How long it takes until the number is on the host."""
        value = self.build()
        began = time.perf_counter()
        value.item()
        return time.perf_counter() - began


def work(at_least_s: float = WORK_S) -> Work:
    """A piece of work that takes the device long enough to be caught at it."""
    size = SMALLEST
    while True:
        made = Work(size)
        made.seconds()  # the first allocates and compiles
        if size >= LARGEST or made.seconds() >= at_least_s:
            return made
        size = min(size + size // 2, LARGEST)


def measure(piece: Work, calls: Calls) -> Asynchrony:
    """Do the work four times, each time waited for in another way."""
    work_s = piece.seconds()
    evaluated_s, after_evaluate = _timed(piece, calls.evaluate)
    dispatched_s, _ = _timed(piece, calls.dispatch)
    waited_s, after_wait = _timed(piece, lambda value: _then(calls.dispatch, value, calls.wait))
    bare_s, after_bare = _timed(piece, lambda value: _then(calls.dispatch, value, calls.bare_wait))
    return Asynchrony(
        work_s,
        evaluated_s,
        after_evaluate,
        dispatched_s,
        waited_s,
        after_wait,
        bare_s,
        after_bare,
    )


def _then(dispatch: Callable[[mx.array], None], value: mx.array, wait: Callable[[], None]) -> None:
    dispatch(value)
    wait()


def _timed(piece: Work, call: Callable[[mx.array], None]) -> tuple[float, float]:
    """Seconds until the call came back, and from then until the value was read."""
    value = piece.build()
    began = time.perf_counter()
    call(value)
    back = time.perf_counter()
    value.item()
    return back - began, time.perf_counter() - back
