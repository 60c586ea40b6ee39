"""The one model that somebody is about to measure: is it here, and does it fit?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlxbench import checkpoints, registry, roofline
from mlxbench.checkpoints import HubReference
from mlxbench.checkpoints.hub_library import cache_folder, is_offline
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.memory import made_scale_bytes, needed_bytes, raised_limit
from mlxbench.doctor.units import in_gb, in_gib
from mlxbench.environment.disk import free_bytes
from mlxbench.errors import CheckpointError, InputError
from mlxbench.records import Checkpoint, Shape
from mlxbench.registry import ModelSpec
from mlxbench.roofline import fits

UNKNOWN_SIZE = "its size is known once its files are here, or from a shape in a models file"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the model before it is loaded. `width` is that of values, in bytes."""

    files: Finding
    shape: Shape | None = None
    weight_bytes: int | None = None
    width: int = 2


def model(name: str, models: Mapping[str, ModelSpec], machine: Machine) -> Iterator[Finding]:
    """Its files and its memory. Raises InputError for a name that means nothing."""
    try:
        known = _known(name, models, machine.environment.accelerator_backend)
    except CheckpointError as error:
        yield Finding("model-files", "problem", error.problem, error.advice)
        return
    yield known.files
    yield _memory(name, known, machine)


def _known(name: str, models: Mapping[str, ModelSpec], backend: str | None) -> _Known:
    if name not in models and _is_a_place(name):
        place = checkpoints.parse_reference(name)
        if isinstance(place, HubReference):
            return _on_hub(name, place, None)
        if not place.is_dir():  # mistyped, which is no matter of this machine's
            raise InputError(f"no directory {name!r}", "give a checkpoint's directory")
        return _on_disk(checkpoints.inspect(place, name, "directory"))
    spec = registry.find(models, name)
    if spec.synthetic and spec.shape:
        width = made_scale_bytes(backend)
        size = roofline.weight_bytes(spec.shape, scale_bytes=width)
        files = Finding("model-files", "ok", f"{name} is made here, {in_gb(size)}, no download")
        return _Known(files, spec.shape, size, width)
    if spec.repository:
        return _on_hub(name, HubReference(spec.repository, spec.revision), spec.shape)
    said = f"{name} names no repository" + (f", only {spec.ollama} of Ollama" * bool(spec.ollama))
    advice = "measure it with --engine ollama, or random weights of its shape with --synthetic"
    of_shape = roofline.weight_bytes(spec.shape) if spec.shape else None
    return _Known(Finding("model-files", "warning", said, advice), spec.shape, of_shape)


def _is_a_place(name: str) -> bool:
    """A directory or a repository, and no name: as for `--model` of the measuring commands."""
    return name.startswith(("hf:", "~", ".")) or "/" in name or Path(name).is_dir()


def _on_disk(checkpoint: Checkpoint) -> _Known:
    size = checkpoint.weight_bytes
    value = f"on this disk, {in_gb(size)} of weights" if size else "on this disk"
    return _Known(Finding("model-files", "ok", value), checkpoint.shape, size)


def _on_hub(name: str, place: HubReference, shape: Shape | None) -> _Known:
    """From the cache where it is there; otherwise by the registry's shape."""
    snapshot = checkpoints.cached(place.repository, place.revision)
    if snapshot is not None:
        found = checkpoints.inspect(
            snapshot.directory, place.name, "hub", place.repository, snapshot.commit
        )
        return _on_disk(found)
    size = roofline.weight_bytes(shape) if shape else None
    return _Known(_to_fetch(name, size), shape, size)


def _to_fetch(name: str, size: int | None) -> Finding:
    """A download begins by itself, so it is a problem only where it cannot end well."""
    about = f", about {in_gb(size)}" if size else ""
    if is_offline():
        return Finding(
            "model-files",
            "problem",
            "not on this disk, and HF_HUB_OFFLINE forbids to download it",
            "unset HF_HUB_OFFLINE, or measure random weights of its shape with --synthetic",
        )
    free = free_bytes(cache_folder())
    if size and free is not None and free < size:
        return Finding(
            "model-files",
            "problem",
            f"not on this disk{about}, and only {in_gb(free)} are free",
            "free some space, or set HF_HOME to a folder on a larger disk",
        )
    return Finding(
        "model-files",
        "warning",
        f"not on this disk{about}: the first measurement will download it",
        f"fetch it now: mlxbench models pull {name}",
    )


def _memory(name: str, known: _Known, machine: Machine) -> Finding:
    """Whether `mlxbench decode` with its own defaults fits, and fits beside what runs now."""
    if known.shape is None or known.weight_bytes is None:
        return Finding("model-memory", "unknown", UNKNOWN_SIZE)
    backend, usable = machine.environment.accelerator_backend, machine.usable_bytes
    need = needed_bytes(known.shape, known.weight_bytes, backend, known.width)
    value = f"{name} needs about {in_gib(need)}"
    if usable is None:
        return Finding("model-memory", "unknown", f"{value}; this machine does not tell its own")
    if not fits(need, usable):
        raising = raised_limit(machine, need)
        advice = "choose a smaller model" + (f", or raise the limit: {raising}" if raising else "")
        return Finding("model-memory", "problem", f"{value}, {in_gib(usable)} are usable", advice)
    free = machine.available_bytes
    if backend == "metal" and free is not None and not fits(need, free):
        return Finding(
            "model-memory",
            "warning",
            f"{value}, and only {in_gib(free)} are free of other programs now",
            "close programs that hold much memory",
        )
    return Finding("model-memory", "ok", f"{value} of {in_gib(usable)}")
