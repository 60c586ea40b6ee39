"""JSON objects on disk: read from strangers without ever crashing, written so that none is torn."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxbench.errors import CheckpointError

# A tokenizer of 150,000 entries takes 11 MB; what is ten times larger is not a configuration.
MAX_JSON_BYTES = 128 * 1024**2

DOWNLOAD_AGAIN = "run `mlxbench models pull` for it again, or copy it again"


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; CheckpointError naming the file for anything else."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_JSON_BYTES} bytes", DOWNLOAD_AGAIN)
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror})", DOWNLOAD_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON", DOWNLOAD_AGAIN) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object", DOWNLOAD_AGAIN)
    return value


def write_object(path: Path, value: Mapping[str, Any]) -> None:
    """Replace `path` in one step, so that a reader sees the old object or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)  # it is there only if something went wrong
