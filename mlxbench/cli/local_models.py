"""Models on this disk already: Hugging Face's cache, LM Studio's folders, Ollama's tags."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping

from mlxbench import checkpoints
from mlxbench.registry import ModelSpec
from mlxbench.report.model_tables import LocalModel

OLLAMA_TAGS = "http://127.0.0.1:11434/api/tags"
TIMEOUT_S = 2
LARGEST_ANSWER = 1 << 20


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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Ollama never redirects; whatever does is not asked further."""

    def redirect_request(self, *_: object) -> None:
        return None


def _ollama_answer() -> list[Mapping[str, object]]:
    """Ollama's list of tags; empty when it does not run or answers something else."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with direct.open(OLLAMA_TAGS, timeout=TIMEOUT_S) as answer:
            document = json.loads(answer.read(LARGEST_ANSWER))
    except (OSError, ValueError, http.client.HTTPException):
        return []
    tags = document.get("models") if isinstance(document, dict) else None
    return [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
