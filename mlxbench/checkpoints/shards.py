"""Which weight files make a directory a whole checkpoint.

mlx-lm loads every `model*.safetensors` it finds, whatever `model.safetensors.index.json` says. So a
missing shard *and* a stray one (left over from another revision) both change what is measured, and
both are refused by name. Without an index, `model-00002-of-00003.safetensors` itself tells how many
there must be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlxbench.checkpoints.headers import Header, read_header
from mlxbench.checkpoints.jsonfile import DOWNLOAD_AGAIN, read_object
from mlxbench.errors import CheckpointError

INDEX = "model.safetensors.index.json"
SHARDS = "model*.safetensors"
NUMBERED = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
UNFINISHED = "*.incomplete"
# Where `hf download --local-dir` keeps what has not arrived yet.
DOWNLOADS = ".cache/huggingface/download"


def read_shards(directory: Path) -> dict[str, Header]:
    """File name → header of every shard, all present, sound and consistent with the index."""
    headers = {name: read_header(directory / name) for name in shard_names(directory)}
    owners: dict[str, str] = {}
    for shard, header in headers.items():
        for tensor in header.tensors:
            if tensor in owners:
                raise CheckpointError(
                    f"{directory} has tensor {tensor!r} in both {owners[tensor]} and {shard}",
                    "remove the file that does not belong to it",
                )
            owners[tensor] = shard
    if not owners:
        raise CheckpointError(f"{directory} has weight files without any tensor", DOWNLOAD_AGAIN)
    for tensor, shard in read_index(directory).items():
        if owners.get(tensor) != shard:
            raise CheckpointError(
                f"{directory / shard} lacks tensor {tensor!r}, which {INDEX} places there",
                DOWNLOAD_AGAIN,
            )
    return headers


def shard_names(directory: Path) -> tuple[str, ...]:
    """The weight files of `directory`, sorted; CheckpointError unless exactly the right ones."""
    _refuse_unfinished(directory)
    present = {path.name for path in directory.glob(SHARDS)}
    if not present and not (directory / INDEX).exists():
        raise _without_weights(directory)
    expected = set(read_index(directory).values()) or _numbered_set(directory, present)
    if missing := sorted(expected - present):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CheckpointError(f"{directory} lacks {missing[0]!r}{more}", DOWNLOAD_AGAIN)
    if stray := sorted(present - expected):
        raise CheckpointError(
            f"{directory / stray[0]} does not belong to the checkpoint, yet mlx-lm would load it",
            "remove that file",
        )
    return tuple(sorted(present))


def read_index(directory: Path) -> Mapping[str, str]:
    """Tensor name → shard, empty without an index; a shard must be a plain file name."""
    path = directory / INDEX
    if not path.exists():
        return {}
    weight_map = read_object(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{path} has no 'weight_map'", DOWNLOAD_AGAIN)
    for shard in weight_map.values():
        if not isinstance(shard, str) or not Path(shard).match(SHARDS) or Path(shard).name != shard:
            raise CheckpointError(f"{path} names {shard!r}, which is no {SHARDS}", DOWNLOAD_AGAIN)
    return weight_map


def _numbered_set(directory: Path, present: set[str]) -> set[str]:
    """All the names that numbered shards among `present` imply, or `present` without any."""
    totals = {match[2] for name in present if (match := NUMBERED.fullmatch(name))}
    if not totals:
        return present
    if len(totals) > 1:
        raise CheckpointError(
            f"{directory} mixes shards of {' and '.join(sorted(totals))}",
            "keep one set of weight files",
        )
    total = totals.pop()
    return {f"model-{number:05}-of-{total}.safetensors" for number in range(1, int(total) + 1)}


def _refuse_unfinished(directory: Path) -> None:
    leftovers = (*directory.glob(UNFINISHED), *(directory / DOWNLOADS).rglob(UNFINISHED))
    if leftovers:
        raise CheckpointError(
            f"{leftovers[0]} is left from a download that did not finish",
            "finish the download, or remove that file if a later one did",
        )


def _without_weights(directory: Path) -> CheckpointError:
    pickles = sorted(path.name for pattern in PICKLES for path in directory.glob(pattern))
    if pickles:
        return CheckpointError(
            f"{directory} holds pickled weights only ({pickles[0]}), which could run code",
            "use a repository with safetensors, or convert it with `mlx_lm.convert`",
        )
    return CheckpointError(f"{directory} has no {SHARDS}", DOWNLOAD_AGAIN)
