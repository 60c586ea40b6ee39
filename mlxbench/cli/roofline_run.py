"""The work of `mlxbench roofline`: find the models, count kernels, read the store, print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlxbench import checkpoints, environment, lock, registry, synthetic
from mlxbench import roofline as formulas
from mlxbench.checkpoints.weights import quantization_settings
from mlxbench.cli.display import live_line
from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.cli.targets import on_this_disk, synthetic_recipe
from mlxbench.engines.mlx import tracing
from mlxbench.engines.mlx.stand_ins import attention_kernels
from mlxbench.errors import CheckpointError, InputError
from mlxbench.lab import bandwidth
from mlxbench.records import Checkpoint, Environment, Shape
from mlxbench.registry import ModelSpec
from mlxbench.report import roofline as report
from mlxbench.report import roofline_data as data
from mlxbench.report.roofline_data import Bandwidth, Fitted, Model, Roofline
from mlxbench.report.roofline_points import points
from mlxbench.store import Store
from mlxbench.synthetic.config import model_config

FROM_SHAPE = "its shape in the registry"
FROM_FILES = "its files on this disk"
# A context at which attention takes as many kernels as it ever does.
LONG_CONTEXT = 1 << 13
OTHER_MODELS = {"tiny-moe": "tiny-dense", "tiny-dense": "tiny-moe", "qwen3-0.6b": "qwen3-4b"}
OTHER_MODEL = "qwen3-0.6b"


def show_rooflines(
    names: Sequence[str],
    bytes_per_s: float | str | None,
    depths: Sequence[int],
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
) -> None:
    """One part for each model, then what the predictions rest on."""
    known = registry.load(models_file)
    models = [find(name, known) for name in dict.fromkeys(names)]
    kernels = Kernels()
    counted = [kernels.counted(model, 0) for model in models]  # a refused model is told first
    here = environment.collect()
    fit = _fit(db, here, kernels)
    rate = _bandwidth(bytes_per_s, here)
    found = [
        Roofline(
            model,
            here.accelerator_backend,
            count,
            rate,
            data.rows(model, depths, rate.value, fit, kernels.at(model)),
            fit,
            registry.references(known).get(model.name, ()),
        )
        for model, count in zip(models, counted, strict=True)
    ]
    if as_json:
        documents = [report.document(one) for one in found]
        print_json({"roofline": documents[0] if len(documents) == 1 else documents})
        return
    _print(found, fit)


def find(name: str, known: dict[str, ModelSpec]) -> Model:
    """A model by its files where they are on this disk, else by the registry's shape."""
    spec = known.get(name)
    if spec is not None and not _on_disk(spec):
        return _from_registry(spec)
    directory, _ = on_this_disk(name, known)
    checkpoint = checkpoints.inspect(directory, name, "directory")
    found = data.of_checkpoint(name, FROM_FILES, checkpoint)
    if found is not None:
        return found
    if checkpoint.shape is None:
        raise InputError(
            f"no roofline of {name}: {checkpoint.model_type or 'its family'} is not described here",
            "give a Qwen-3 model (qwen3, or qwen3_moe with experts in every layer)",
        )
    raise CheckpointError(
        f"the tensors of {name} are not those of its shape, so what a token reads is unknown",
        f"run `mlxbench models verify {name}`",
    )


def _on_disk(spec: ModelSpec) -> bool:
    repository = None if spec.synthetic else spec.repository
    return repository is not None and checkpoints.cached(repository, spec.revision) is not None


def _from_registry(spec: ModelSpec) -> Model:
    """By the shape alone, quantised as the synthetic checkpoint of it, which is as real builds."""
    if spec.shape is None:
        advice = f"run `mlxbench models pull {spec.name}` first"
        if spec.repository is None:
            advice = "add a [model.shape] table there"
        raise InputError(
            f"{spec.name} is not on this disk and has no shape in {spec.origin}", advice
        )
    recipe = synthetic.Recipe(spec.name, spec.shape)
    if spec.synthetic:
        recipe = synthetic_recipe(spec.name, spec.shape, None)
    settings = quantization_settings(model_config(recipe))
    width = 4 if recipe.scales == "f32" else 2
    return data.of_shape(spec.name, FROM_SHAPE, spec.shape, settings, width)


def _bandwidth(given: float | str | None, here: Environment) -> Bandwidth:
    """As given, as stated for this machine's chip, or measured now."""
    if isinstance(given, float):
        return Bandwidth(given, "as given")
    if given is not None:
        stated = formulas.bandwidth_of(here)
        if stated is None:
            chip = here.accelerator or here.cpu or "this machine"
            raise InputError(
                f"no stated bandwidth is known for {chip}",
                "give it as --bandwidth 819e9, or leave --bandwidth out to measure it",
            )
        return Bandwidth(stated, f"stated for {here.accelerator}")
    with lock.accelerator_lock(), live_line() as show:
        show("measuring the memory's bandwidth …", False)
        found = bandwidth.measure()
    return Bandwidth(found.bytes_per_s, "measured now", found.low, found.high, found.passes)


def _fit(db: Path | None, here: Environment, kernels: Kernels) -> Fitted:
    """The time model of this machine; empty where nothing was ever measured."""
    path = store_path(db)
    if db is None and not path.exists():
        return Fitted()
    with Store.open(path, create=False) as store:
        return data.fitted(points(store, here, kernels.of_checkpoint))


class Kernels:
    """Counts of kernels per token, each shape traced once for each way of its attention."""

    def __init__(self) -> None:
        self._known: dict[str, tracing.Counted] = {}

    def counted(self, model: Model, context: int) -> tracing.Counted:
        """The kernels of a model's step. Raises InputError for what cannot be traced."""
        return self._count(model.shape, model.quantization, model.value_bytes, context)

    def at(self, model: Model) -> Any:
        """Context → kernels per token on the device here."""
        return lambda context: self.counted(model, context).here

    def of_checkpoint(self, checkpoint: Checkpoint, context: int) -> int | None:
        """The same for a stored run's checkpoint; `None` for what cannot be traced."""
        if checkpoint.shape is None:
            return None
        width = formulas.value_bytes(checkpoint)
        try:
            return self._count(checkpoint.shape, checkpoint.quantization, width, context).here
        except InputError:
            return None

    def _count(self, shape: Shape, settings: Any, width: int, context: int) -> tracing.Counted:
        shared = shape.num_attention_heads // shape.num_key_value_heads
        traced = 0 if attention_kernels(context, shared) == 1 else LONG_CONTEXT
        key = json.dumps([asdict(shape), settings, width, traced], sort_keys=True)
        if key not in self._known:
            config = tracing.config_of(shape, settings, width)
            self._known[key] = tracing.count_kernels(config, traced)
        return self._known[key]


def _print(found: Sequence[Roofline], fit: Fitted) -> None:
    for number, one in enumerate(found):
        if number:
            console().print()
        for part in report.report(one):
            console().print(part)
    console().print()
    for line in report.fit_lines(fit, _advice([one.model.name for one in found])):
        console().print(line)


def _advice(names: Sequence[str]) -> str:
    """What to measure so that both constants are determined."""
    several = list(names) if len(names) > 1 else [names[0], OTHER_MODELS.get(names[0], OTHER_MODEL)]
    return f"run `mlxbench decode --model {','.join(several)} -d 0,4096`"
