"""Models on this disk already: Hugging Face's cache, LM Studio's folders, Ollama's tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlxbench import checkpoints
from mlxbench.errors import InputError
from mlxbench.http_client import Client, Limits, ServerFault, ollama_address
from mlxbench.registry import ModelSpec
from mlxbench.report.model_tables import LocalModel

QUICK = Limits(total_s=3, idle_s=2)


def find(models: Mapping[str, ModelSpec]) -> list[LocalModel]:
    """All that were found; Ollama's only while it runs on this machine."""
    return [*_checkpoints(models), *_ollama_tags(models)]


def _checkpoints(models: Mapping[str, ModelSpec]) -> Iterator[LocalModel]:
    names = {f"hf:{spec.repository}": name for name, spec in models.items() if spec.repository}
    for found in checkpoints.local_checkpoints():
        repository = found.name.partition("@")[0]
        yield LocalModel(found.name, str(found.path), found.bytes, names.get(repository))


def _ollama_tags(models: Mapping[str, ModelSpec]) -> Iterator[LocalModel]:
    names = {spec.ollama: name for name, spec in models.items() if spec.ollama}
    for model in _ollama_answer():
        tag, size = model.get("name"), model.get("size")
        if isinstance(tag, str) and isinstance(size, int):
            yield LocalModel(tag, "ollama", size, names.get(tag))


def _ollama_answer() -> list[Mapping[str, object]]:
    """Ollama's list of tags; empty when it does not run on this machine or answers nonsense."""
    try:
        with Client(ollama_address(None, allow_remote=False)) as client:
            tags = client.get("/api/tags", QUICK).get("models")
    except (InputError, ServerFault):
        return []
    return [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
