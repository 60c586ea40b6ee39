"""A checkpoint's tokenizer and end-of-turn tokens, read without running any of its code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from mlxbench.errors import CheckpointError


class Tokenizer:
    """Text to ids and back, with no special tokens added."""

    def __init__(self, directory: Path) -> None:
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{directory} has no tokenizer.json", "pull the checkpoint again")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # the library makes every fault a ValueError
            raise CheckpointError(
                f"{path} is not a tokenizer ({error})", "pull the checkpoint again"
            ) from error
        self.stop_tokens = _stop_tokens(directory, self._tokenizer)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, empty when the file is absent; CheckpointError when malformed."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", "pull it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is not a JSON object", "pull the checkpoint again")
    return value


def _stop_tokens(directory: Path, tokenizer: tokenizers.Tokenizer) -> frozenset[int]:
    """`eos_token_id` of generation_config.json, config.json, and the tokenizer's `eos_token`."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        value = read_json(directory / name).get("eos_token_id")
        values = value if isinstance(value, list) else [value]
        found |= {token for token in values if isinstance(token, int)}
    eos = read_json(directory / "tokenizer_config.json").get("eos_token")
    text = eos.get("content") if isinstance(eos, dict) else eos
    token = tokenizer.token_to_id(text) if isinstance(text, str) else None
    return frozenset(found if token is None else found | {token})
