"""The models known by name: `models.toml` and a file of the user's own laid over it.

A registry entry is a name for things that live elsewhere: a Hugging Face repository, an Ollama tag,
a shape from which random weights can be made, published figures to show beside ours. The format is
described at the top of `models.toml`.

Merging is by name. A user's entry for a known name replaces the keys that it gives and keeps the
others; `shape` and `references` are values like any other, replaced as a whole. The one exception:
another repository without a revision drops the known revision, a commit of the old repository.
Each value is checked in its own file, but what keys need of each other (a revision needs a
repository) is checked on the merged entry.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlxbench.errors import InputError, did_you_mean
from mlxbench.records import Reference, Shape
from mlxbench.registry.models_file import Entry, read_entries
from mlxbench.registry.toml_text import shown

MODELS_VARIABLE = "MLXBENCH_MODELS"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model known by name. `origin` is the file that had the last word on it.

    `synthetic` means that no real weights exist: the checkpoint is always made from `shape`.
    """

    name: str
    summary: str
    repository: str | None
    revision: str | None
    ollama: str | None
    synthetic: bool
    shape: Shape | None
    references: tuple[Reference, ...]
    origin: str


def builtin_file() -> Path:
    """The `models.toml` that comes with mlxbench: in the wheel, or at the top of a source tree."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "data" / "models.toml"
    return packaged if packaged.exists() else package.parent / "models.toml"


def load(extra: Path | None = None) -> dict[str, ModelSpec]:
    """Read the built-in file and the user's (`extra`, else MLXBENCH_MODELS) over it.

    Raises `RegistryError` for a file that cannot be read or breaks a rule.
    """
    entries = read_entries(builtin_file())
    user_file = extra or _file_from_environment()
    if user_file is not None:
        for name, entry in read_entries(user_file).items():
            entries[name] = _overlay(entries[name], entry) if name in entries else entry
    return {name: _spec(entry) for name, entry in entries.items()}


def find(registry: Mapping[str, ModelSpec], name: str) -> ModelSpec:
    """Look a model up; `InputError` suggests near names."""
    if name in registry:
        return registry[name]
    suggestion = did_you_mean(name, registry)
    raise InputError(
        f"no model named {shown(name)}", f"{suggestion}run `mlxbench models list` to see them all"
    )


def references(registry: Mapping[str, ModelSpec]) -> dict[str, tuple[Reference, ...]]:
    """The published figures of each model, by its name here and by its tag on Ollama."""
    return {
        name: spec.references
        for spec in registry.values()
        for name in (spec.name, spec.ollama)
        if name and spec.references
    }


def _file_from_environment() -> Path | None:
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named) if named else None


def _overlay(known: Entry, entry: Entry) -> Entry:
    values = {**known.values, **entry.values}
    if "repository" in entry.values and "revision" not in entry.values:
        values.pop("revision", None)  # a commit of another repository
    return Entry(values, entry.file, entry.place)


def _spec(entry: Entry) -> ModelSpec:
    values = entry.values
    if not values.keys() & {"repository", "ollama", "shape"}:
        problem = f"nothing to run as '{values['name']}'"
        raise entry.fault("name", problem, "add a repository, an ollama tag or a shape")
    for key, needed in (("revision", "repository"), ("synthetic", "shape")):
        if values.get(key) and needed not in values:
            raise entry.fault(key, f"'{key}' without '{needed}'", f"add '{needed}' too")
    return ModelSpec(
        name=values["name"],
        summary=values.get("summary", ""),
        repository=values.get("repository"),
        revision=values.get("revision"),
        ollama=values.get("ollama"),
        synthetic=values.get("synthetic", False),
        shape=values.get("shape"),
        references=values.get("references", ()),
        origin=str(entry.file.path),
    )
