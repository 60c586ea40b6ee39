"""From a checked checkpoint to a folder with a GGUF file and a Modelfile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxbench.checkpoints import read_config
from mlxbench.checkpoints.jsonfile import read_object
from mlxbench.errors import InputError
from mlxbench.gguf_export import metadata, modelfile, vocabulary
from mlxbench.gguf_export.blocks import Rounding
from mlxbench.gguf_export.planning import Planned, plan
from mlxbench.gguf_export.reading import stored_tensors
from mlxbench.gguf_export.writing import Progress, reported, write
from mlxbench.records import Checkpoint
from mlxbench.synthetic import is_synthetic
from mlxbench.synthetic.files import write_text

if TYPE_CHECKING:
    from gguf import GGUFWriter

FOLDER = "gguf"
MODELFILE = "Modelfile"


@dataclass(frozen=True, slots=True)
class Export:
    """What was written. `tensors` and `tensor_bytes` are by GGUF type.

    `widened` names the matrices stored as F32 because GGUF has no type for their bits; their values
    are unchanged. `rounded_constants` counts the scales and biases that f16 cannot hold, with the
    largest relative error among them: with none the weights are identical.
    """

    model: str
    origin: str
    gguf: str
    modelfile: str
    ollama_name: str
    file_bytes: int
    bits_per_weight: float
    tensors: Mapping[str, int]
    tensor_bytes: Mapping[str, int]
    widened: tuple[str, ...]
    identical: bool
    rounded_constants: int
    largest_error: float

    @property
    def findings(self) -> str:
        """Whether the weights are the same, in words."""
        if self.identical:
            return "the weights are identical"
        return (
            f"NOT identical, {self.rounded_constants} scales or biases are rounded to f16, "
            f"by up to {self.largest_error:.1e} of their value"
        )


def export(checkpoint: Checkpoint, output: Path, on_progress: Progress | None = None) -> Export:
    """Write `checkpoint` into the folder `output` as GGUF with a Modelfile.

    `on_progress` gets the bytes written and the bytes in total. Raises CheckpointError for a model
    that is no 4-bit Qwen-3 or would not be the same one in GGUF, DoesNotFitError, and InputError
    where `output` cannot be written or the package `gguf` is missing.
    """
    _require_gguf()
    directory = Path(checkpoint.directory)
    config = read_config(directory)
    shape = metadata.supported_shape(config)
    words = vocabulary.read(directory, config, shape.vocab_size)
    planned = plan(shape, stored_tensors(directory), checkpoint.quantization)
    name = file_name(checkpoint.name)
    path = output / f"{name}.gguf"
    losses: list[Rounding] = []

    def describe(writer: GGUFWriter) -> None:
        metadata.add(writer, config, shape, name)
        vocabulary.add(writer, words)

    architecture = metadata.ARCHITECTURES[shape.model_type]
    write(path, architecture, describe, planned, losses.append, on_progress)
    made = _report(checkpoint, config, path, planned, sum(losses, Rounding()))
    with reported(Path(made.modelfile), 0):
        write_text(Path(made.modelfile), _modelfile(made, words.stop_texts, directory))
    return made


def file_name(name: str) -> str:
    """A model's name as the name of a file or folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _require_gguf() -> None:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise InputError(
            "the package gguf is not installed", "install it with `pip install gguf`"
        ) from error


def _report(
    checkpoint: Checkpoint,
    config: Mapping[str, Any],
    path: Path,
    planned: Sequence[Planned],
    lost: Rounding,
) -> Export:
    sizes: Counter[str] = Counter()
    for one in planned:
        sizes[one.type] += one.n_bytes
    return Export(
        model=checkpoint.name,
        origin=f"{checkpoint.name}, {_origin(checkpoint, config)}",
        gguf=str(path),
        modelfile=str(path.with_name(MODELFILE)),
        ollama_name=modelfile.ollama_name(checkpoint.name),
        file_bytes=path.stat().st_size,
        bits_per_weight=8 * sizes.total() / sum(prod(one.shape) for one in planned),
        tensors=dict(Counter(one.type for one in planned)),
        tensor_bytes=dict(sizes),
        widened=tuple(one.name for one in planned if _is_widened(one)),
        identical=lost.constants == 0,
        rounded_constants=lost.constants,
        largest_error=lost.largest_error,
    )


def _is_widened(one: Planned) -> bool:
    """A matrix that takes more memory here than in MLX; routers are small and always F32."""
    return one.type == "F32" and len(one.shape) > 1 and not one.router


def _origin(checkpoint: Checkpoint, config: Mapping[str, Any]) -> str:
    if is_synthetic(config):
        return "synthetic with random weights"
    if checkpoint.repository is not None:
        return f"{checkpoint.repository} at {checkpoint.revision}"
    return "a directory"


def _modelfile(made: Export, stops: Sequence[str], directory: Path) -> str:
    generation = directory / "generation_config.json"
    return modelfile.text(
        Path(made.gguf).name,
        f"Made by mlxbench from {made.origin}",
        made.findings,
        stops,
        read_object(generation) if generation.is_file() else {},
    )
