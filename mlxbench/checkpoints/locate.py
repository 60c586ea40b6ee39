"""Checkpoints that other tools already put on this disk.

Only directories with a `config.json` and safetensors are listed; whether they are whole and sound
is seen when one is loaded or verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlxbench.checkpoints.hub import MAIN
from mlxbench.checkpoints.hub_library import cache_folder
from mlxbench.checkpoints.inspection import CONFIG
from mlxbench.checkpoints.reference import HubReference
from mlxbench.checkpoints.shards import SHARDS

# LM Studio's folders, new and old, under the home directory; in them OWNER/REPOSITORY.
LM_STUDIO_FOLDERS = (".lmstudio/models", ".cache/lm-studio/models")


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint on this disk; `name` is what `--model` takes, `bytes` counts its weights."""

    name: str
    path: Path
    bytes: int


def local_checkpoints() -> list[Found]:
    """What Hugging Face's cache and LM Studio's folders hold, sorted by name."""
    return sorted((*_in_hub_cache(), *_in_lm_studio()), key=lambda found: found.name)


def _in_hub_cache() -> Iterator[Found]:
    for snapshot in cache_folder().glob("models--*--*/snapshots/*"):
        folder = snapshot.parent.parent
        owner, _, repository = folder.name.removeprefix("models--").partition("--")
        commit = snapshot.name
        revision = None if _read_ref(folder / "refs" / MAIN) == commit else commit
        name = HubReference(f"{owner}/{repository}", revision).name
        yield from _if_checkpoint(name, snapshot)


def _in_lm_studio() -> Iterator[Found]:
    for folder in LM_STUDIO_FOLDERS:
        for path in (Path.home() / folder).glob("*/*"):
            yield from _if_checkpoint(str(path), path)


def _if_checkpoint(name: str, path: Path) -> Iterator[Found]:
    weights = [shard for shard in path.glob(SHARDS) if shard.is_file()]
    if weights and (path / CONFIG).is_file():
        yield Found(name, path, sum(shard.stat().st_size for shard in weights))


def _read_ref(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
