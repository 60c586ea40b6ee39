"""What every engine offers: open a target, and run tasks on it while it is open.

An engine is a module with the functions of `Engine`; what it opens is a `Loaded`, which has a
lifetime and a footprint. Arms with equal targets share one `Loaded`, so that comparing two settings
of one model never loads its weights twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from mlxbench.records import Arm, Checkpoint, Generate, Options, Request, Target, Trial


class Loaded(Protocol):
    """A model that is ready to run."""

    @property
    def checkpoint(self) -> Checkpoint | None: ...

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One trial. `seed` makes its prompt and its sampling; equal seeds repeat them.

        What goes wrong inside the engine comes back as a `Failed` trial. Raises InputError for a
        task that this model cannot do at all.
        """
        ...

    def clock(self) -> float:
        """Seconds on the clock that budgets count: the monotonic one, or a simulated machine's."""
        ...

    def close(self) -> None:
        """Give back memory and limits; safe to call twice."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A `Loaded` that gives several chat replies at once; of others one asks for one at a time."""

    def reply_all(
        self, requests: Mapping[int, Generate], options: Options, batch_size: int
    ) -> Iterator[tuple[int, Trial]]:
        """A trial for each request as it ends, with its key, which is also its seed."""
        ...


@runtime_checkable
class Routed(Protocol):
    """A `Loaded` that tells which experts of a mixture a prompt uses."""

    def route(
        self, task: Generate, options: Options, seed: int
    ) -> tuple[tuple[int, ...] | None, ...]:
        """How often each expert was chosen, [layers][experts]; `None` for layers without a router.

        An untimed pass over the prompt alone. Raises InputError for a model without routers.
        """
        ...


class Engine(Protocol):
    """Opens targets. Implemented by the modules and packages beside this one."""

    def predict_memory(self, target: Target, arms: Sequence[Arm]) -> int | None:
        """Bytes that the largest of `arms` will need, from headers alone; `None` if unknowable.

        Called before anything is loaded; raises InputError for arms that it cannot run at all.
        """
        ...

    def open(self, target: Target) -> Loaded:
        """Load the target. Raises CheckpointError or MeasurementError."""
        ...
