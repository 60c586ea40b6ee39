"""From a model's name to a target on a server: its tag there, its address, its tokenizer here.

A server takes text, so prompts of an exact length need the model's tokenizer on this disk. It comes
from the synthetic checkpoint, the snapshot or the repository of the same registry entry; from a
repository only the tokenizer is fetched.
"""

from __future__ import annotations

from pathlib import Path

from mlxbench import checkpoints
from mlxbench.cli.reach import Reach
from mlxbench.cli.targets import Request, make_synthetic, resolve
from mlxbench.errors import InputError
from mlxbench.http_client import ollama_address, parse_address
from mlxbench.http_client.address import OPENAI_PORT
from mlxbench.records import Target
from mlxbench.registry import ModelSpec


def server_target(
    engine: str,
    name: str,
    models: dict[str, ModelSpec],
    reach: Reach,
    tokenizer: str | None = None,
    without_tokenizer: bool = False,
) -> Target:
    """The target `name`: a registry name, or what the server itself calls the model.

    `tokenizer` is a directory or a registry name; none is looked for `without_tokenizer`, where
    none is needed or another will be given. Raises InputError for a bad address.
    """
    if engine == "ollama":
        address = ollama_address(reach.url, reach.allow_remote)
    elif reach.url is None:
        raise InputError(
            "no address was given for the OpenAI-compatible server",
            "add --url http://127.0.0.1:PORT, or url=… to the arm",
        )
    else:
        address = parse_address(reach.url, OPENAI_PORT, reach.allow_remote)
    spec = models.get(name) or _by_tag(name, models)
    tag = spec.ollama if engine == "ollama" and spec and spec.ollama else name
    place: Path | None = None
    if tokenizer:
        place = _tokenizer(tokenizer, models)
    elif spec and not without_tokenizer:
        place = _tokenizer_of(spec)
    return Target(
        engine,
        tag,
        address.url,
        source="server",
        tokenizer=str(place) if place else None,
        allow_remote=reach.allow_remote,
        unload=reach.unload,
    )


def _by_tag(tag: str, models: dict[str, ModelSpec]) -> ModelSpec | None:
    return next((spec for spec in models.values() if spec.ollama == tag), None)


def _tokenizer(named: str, models: dict[str, ModelSpec]) -> Path:
    """The directory of a tokenizer that was named on the command line."""
    if named in models and (found := _tokenizer_of(models[named])):
        return found
    directory = Path(named).expanduser()
    if (directory / "tokenizer.json").is_file():
        return directory.resolve()
    return Path(resolve(Request(named), models).location)


def _tokenizer_of(spec: ModelSpec) -> Path | None:
    """The directory of a registry entry's tokenizer, made or fetched where it is missing."""
    if spec.synthetic and spec.shape:
        return make_synthetic(spec.name, spec.shape, None)
    if spec.repository:
        return checkpoints.pull_tokenizer(spec.repository, spec.revision)
    return None
