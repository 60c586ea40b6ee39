"""Runs one call of mlxbench.checkpoints in a process of its own and prints what came of it.

huggingface_hub reads its environment when it is imported, so each test that sets HF_ENDPOINT or
HF_TOKEN needs a fresh process.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from mlxbench import checkpoints
from mlxbench.errors import MlxbenchError


def call(action: str, repository: str, revision: str | None) -> Any:
    """What the call returned, as JSON can hold it."""
    steps: list[tuple[int, int]] = []
    if action == "pull":
        snapshot = checkpoints.pull(repository, revision, lambda *step: steps.append(step))
        return {**asdict(snapshot), "directory": str(snapshot.directory), "steps": steps}
    if action == "resolve":
        return asdict(checkpoints.resolve(repository))
    if action == "tokenizer":
        return str(checkpoints.pull_tokenizer(repository, revision))
    if action == "verify":
        cached = checkpoints.cached(repository, revision)
        assert cached is not None
        manifest = checkpoints.load_manifest(repository, cached.commit)
        found = checkpoints.verify(cached.directory, manifest, lambda *step: steps.append(step))
        return {"findings": [asdict(finding) for finding in found], "steps": steps}
    if action == "local":
        return [{**asdict(f), "path": str(f.path)} for f in checkpoints.local_checkpoints()]
    snapshot_or_none = checkpoints.cached(repository, revision)
    return None if snapshot_or_none is None else str(snapshot_or_none.directory)


def main() -> None:
    """`pull_driver.py ACTION REPOSITORY [REVISION]` prints one JSON object."""
    action, repository, *rest = sys.argv[1:]
    try:
        answer = {"value": call(action, repository, rest[0] if rest else None)}
    except MlxbenchError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
