"""Is this directory a whole, sound and harmless checkpoint, and which one?

`inspect` runs at each load, before mlx or mlx-lm sees a file, and reads `config.json`, the index
and the safetensors headers only. Hashes of whole files are the business of `verify`.

Code is refused by name: `auto_map` makes transformers import Python from the repository and
`model_file` makes mlx-lm do so. Neither is ever run here; both are also off at load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxbench import roofline
from mlxbench.checkpoints.headers import Header
from mlxbench.checkpoints.jsonfile import DOWNLOAD_AGAIN, read_object
from mlxbench.checkpoints.shards import read_shards
from mlxbench.checkpoints.weights import bits_per_weight, quantization_settings, weight_bytes
from mlxbench.errors import CheckpointError
from mlxbench.records import Checkpoint, Source

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CODE_KEYS = ("auto_map", "model_file")


def inspect(
    directory: Path,
    name: str,
    source: Source,
    repository: str | None = None,
    revision: str | None = None,
) -> Checkpoint:
    """Check `directory` by its headers and describe it; CheckpointError names file and fault."""
    config = read_config(directory)
    headers = read_shards(directory)
    tensors = {name: t for header in headers.values() for name, t in header.tensors.items()}
    quantization = quantization_settings(config)
    model_type = config.get("model_type")
    shape = roofline.shape_from_config(config)
    value_bytes = 4 if config.get("torch_dtype") == "float32" else 2
    return Checkpoint(
        name=name,
        source=source,
        directory=str(directory),
        repository=repository,
        revision=revision,
        fingerprint=_fingerprint(directory, headers),
        weight_bytes=weight_bytes(tensors),
        bits_per_weight=bits_per_weight(tensors, quantization),
        quantization=quantization,
        model_type=model_type if isinstance(model_type, str) else None,
        params_active=roofline.parameters(shape).active if shape else None,
        kv_bytes_per_token=roofline.kv_bytes_per_token(shape, cache_bytes=value_bytes)
        if shape
        else None,
        shape=shape,
    )


def read_config(directory: Path) -> dict[str, Any]:
    """The configuration of a directory whose files resolve and that brings no code of its own."""
    if not directory.is_dir():
        raise CheckpointError(
            f"no directory {str(directory)!r}",
            "give a checkpoint's directory, or `hf:owner/repository` to download one",
        )
    try:
        _refuse_dangling_links(directory)
    except OSError as error:
        raise CheckpointError(
            f"cannot read {directory} ({error.strerror})", "check its permissions"
        ) from error
    config = read_object(directory / CONFIG)
    _refuse_code(directory / CONFIG, config)
    tokenizer_config = directory / TOKENIZER_CONFIG
    if tokenizer_config.exists():
        _refuse_code(tokenizer_config, read_object(tokenizer_config))
    return config


def _refuse_dangling_links(directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        if path.is_symlink() and not path.exists():
            raise CheckpointError(f"{path} links to a file that is gone", DOWNLOAD_AGAIN)


def _refuse_code(path: Path, config: Mapping[str, Any]) -> None:
    for key in CODE_KEYS:
        if config.get(key) is not None:
            raise CheckpointError(
                f"{path} asks to run the repository's own code ({key!r})",
                "use a checkpoint that needs none; mlxbench never runs it",
            )


def _fingerprint(directory: Path, headers: Mapping[str, Header]) -> str:
    config = hashlib.sha256((directory / CONFIG).read_bytes()).hexdigest()
    shards = [[name, h.file_bytes, h.digest] for name, h in sorted(headers.items())]
    return hashlib.sha256(json.dumps([config, shards]).encode()).hexdigest()
