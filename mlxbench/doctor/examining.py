"""All findings together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mlxbench.doctor.accelerator import gpu_users, lock
from mlxbench.doctor.conditions import conditions
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.memory import memory
from mlxbench.doctor.model import model
from mlxbench.doctor.servers import ollama
from mlxbench.doctor.software import software
from mlxbench.doctor.storage import storage
from mlxbench.errors import InputError
from mlxbench.lock import LOCK_PATH
from mlxbench.redact import redact
from mlxbench.registry import ModelSpec


def examine(
    machine: Machine,
    store: Path,
    models: Mapping[str, ModelSpec],
    clang: str | InputError | None,
    name: str | None = None,
    url: str | None = None,
    lock_path: Path = LOCK_PATH,
) -> list[Finding]:
    """What would spoil a measurement on `machine` now, each topic once, in a fixed order.

    `clang` is the version of the compiler that runs Metal kernels on a CPU, or the error that says
    why there is none, or `None` where nobody could look. `name` is a model that is about to be
    measured, `url` an Ollama server. Raises InputError where one of these makes no sense.
    """
    found = _all(machine, store, models, clang, name, url, lock_path)
    return [replace(one, value=redact(one.value), advice=redact(one.advice)) for one in found]


def _all(
    machine: Machine,
    store: Path,
    models: Mapping[str, ModelSpec],
    clang: str | InputError | None,
    name: str | None,
    url: str | None,
    lock_path: Path,
) -> Iterator[Finding]:
    yield from software(machine, clang)
    yield lock(lock_path)
    if users := gpu_users(machine):
        yield users
    yield ollama(url)
    yield from conditions(machine)
    yield from memory(machine, list(models.values()))
    yield from storage(store)
    if name is not None:
        yield from model(name, models, machine)
