"""Engines: the things that generate tokens.

They are opened by name through `engine`, so that a worker process needs nothing but a `Target`, and
imported on first use, so that nothing pays for an engine that it does not run.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from mlxbench.engines.protocol import Engine, Loaded
from mlxbench.errors import InputError
from mlxbench.records import Target

ENGINES = {
    "mlx": "mlxbench.engines.mlx",
    "ollama": "mlxbench.engines.ollama",
    "openai": "mlxbench.engines.openai",
    "sim": "mlxbench.engines.sim",
}
# What the lab registers while it times parts of a model: a "token" is a launch there, so its rates
# stand in no list of models' rates.
OF_PARTS = frozenset({"chain", "kernel"})


def engine(name: str) -> Engine:
    """The engine called `name`; InputError when there is none."""
    if name not in ENGINES:
        raise InputError(f"no engine named {name!r}", f"use one of {', '.join(ENGINES)}")
    return cast(Engine, importlib.import_module(ENGINES[name]))


@contextmanager
def registered(name: str, module: str) -> Iterator[None]:
    """Let targets name one more engine, a module above this layer, until the block ends."""
    before = dict(ENGINES)
    ENGINES[name] = module
    try:
        yield
    finally:
        ENGINES.clear()
        ENGINES.update(before)


def timed_open(target: Target) -> tuple[Loaded, float]:
    """Open a target by its engine's name; also the seconds that took."""
    began = time.monotonic()
    loaded = engine(target.engine).open(target)
    return loaded, time.monotonic() - began
