"""From what `--model` says to a checked directory."""

from __future__ import annotations

from pathlib import Path

from mlxbench.checkpoints.hub import cached, pull
from mlxbench.checkpoints.inspection import inspect
from mlxbench.checkpoints.reference import parse_reference
from mlxbench.checkpoints.verification import OnProgress, no_progress
from mlxbench.records import Checkpoint


def resolve(reference: str, on_progress: OnProgress = no_progress) -> Checkpoint:
    """The checkpoint of a directory or an `hf:` reference, downloaded if the cache lacks it.

    Names of the registry are looked up before; the checkpoint is named as it was asked for.
    """
    parsed = parse_reference(reference)
    if isinstance(parsed, Path):
        return inspect(parsed, reference, "directory")
    snapshot = cached(parsed.repository, parsed.revision) or pull(
        parsed.repository, parsed.revision, on_progress
    )
    return inspect(
        snapshot.directory, reference, "hub", repository=parsed.repository, revision=snapshot.commit
    )
