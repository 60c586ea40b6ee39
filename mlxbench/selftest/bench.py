"""What the steps share: folders, shapes, what runs kernels, and what was measured first.

Models are made on the spot in a folder of the cache, which is emptied at the end, and at the
beginning of what a killed self-test left there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlxbench import paths, registry
from mlxbench.environment.memory import usable_memory_bytes
from mlxbench.lab.backends import Backend
from mlxbench.lab.device_checks import two_backends
from mlxbench.records import Environment, Shape
from mlxbench.selftest import clock
from mlxbench.selftest.costs import Ceiling
from mlxbench.selftest.scale import Scale

FOLDER = "self-test"


@dataclass(slots=True)
class Bench:
    """What the steps share; `ceiling` is known once the bandwidth was measured."""

    scale: Scale
    environment: Environment
    folder: Path
    begin: clock.Moment
    shapes: Mapping[str, Shape]
    usable_bytes: int | None
    ceiling: Ceiling | None = None
    _runners: tuple[Backend | None, Backend | str] | None = field(default=None, repr=False)

    @property
    def on_cpu(self) -> bool:
        """Whether MLX computes on the CPU here."""
        return self.environment.accelerator_backend == "cpu"

    def runners(self) -> tuple[Backend | None, Backend | str]:
        """What runs kernels: the GPU, if there is one, and the CPU runner or why there is none."""
        if self._runners is None:
            self._runners = two_backends.device_runner(), two_backends.cpu_runner()
        return self._runners


@contextmanager
def bench(scale: Scale, found: Environment) -> Iterator[Bench]:
    """What the steps need, until the block ends."""
    folder = paths.cache_directory() / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    specs = registry.load(registry.builtin_file())  # not a file of the user's own
    usable = usable_memory_bytes(found.accelerator_backend, found.accelerator_memory_bytes)
    shapes = {name: spec.shape for name, spec in specs.items() if spec.shape is not None}
    try:
        yield Bench(scale, found, folder, clock.moment(), shapes, usable)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
