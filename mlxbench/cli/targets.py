"""From what `--model` says (a name, a directory, `hf:owner/repo[@revision]`) to a target.

Whatever is missing is made or fetched here, before anything is measured: a synthetic checkpoint is
written to the cache, a repository is downloaded unless a snapshot of it is on this disk already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlxbench import checkpoints, registry, roofline, synthetic
from mlxbench.checkpoints import HubReference
from mlxbench.cli.display import transfer
from mlxbench.environment.mlx_device import collect_accelerator
from mlxbench.errors import InputError
from mlxbench.measure.memory import LOWER, refuse_unless_it_fits, usable_bytes
from mlxbench.paths import cache_directory
from mlxbench.records import Arm, Shape, Target
from mlxbench.registry import ModelSpec


@dataclass(frozen=True, slots=True)
class Request:
    """How a model was asked for."""

    name: str
    synthetic: bool = False
    layers: int | None = None


def resolve(request: Request, models: dict[str, ModelSpec]) -> Target:
    """A target whose files are on this disk. Raises InputError, CheckpointError, HubError."""
    if request.name in models:
        return _named(request, models[request.name])
    if request.synthetic or request.layers is not None:
        registry.find(models, request.name)  # raises: only a registry name has a shape
    if not _looks_like_a_place(request.name):
        return _named(request, registry.find(models, request.name))
    place = checkpoints.parse_reference(request.name)
    if isinstance(place, HubReference):
        return _from_hub(place.name, place)
    return _from_directory(place)


def refuse_early(
    request: Request, models: dict[str, ModelSpec], arms: Callable[[Target], Sequence[Arm]]
) -> None:
    """Raises DoesNotFitError where the registry's shape tells, before anything is downloaded.

    The files' own headers are asked again before each load.
    """
    spec = models.get(request.name)
    if spec is None or spec.shape is None:
        return
    made = spec.synthetic or request.synthetic or request.layers is not None
    wanted = arms(Target("mlx", spec.name, ""))
    shape = replace(spec.shape, num_hidden_layers=request.layers or spec.shape.num_hidden_layers)
    advice = _slice_advice(shape, wanted) if request.layers is None else None
    refuse_unless_it_fits(spec.name, _needed(shape, wanted, made), advice or LOWER)


def _needed(shape: Shape, arms: Sequence[Arm], made: bool) -> int:
    """Memory for the largest of `arms`, of a published build or of one with random weights."""
    on_cpu = collect_accelerator().backend == "cpu"
    width = 4 if made and on_cpu else 2
    weights = roofline.weight_bytes(shape, scale_bytes=width)
    return max(
        roofline.task_memory_bytes(shape, weights, arm.task, arm.options, width, not on_cpu)
        for arm in arms
    )


def _slice_advice(shape: Shape, arms: Sequence[Arm]) -> str | None:
    """How much of a model can be measured whose weights alone are too large, if any of it."""
    usable = usable_bytes()
    if usable is None or roofline.weight_bytes(shape) <= usable:
        return None
    for layers in range(shape.num_hidden_layers - 1, 0, -1):
        if _needed(replace(shape, num_hidden_layers=layers), arms, made=True) <= usable:
            return f"measure a slice of it with --synthetic --layers {layers}"
    return None


def make_synthetic(name: str, shape: Shape, layers: int | None) -> Path:
    """The directory of a synthetic checkpoint, made on first use."""
    recipe = synthetic_recipe(name, shape, layers)
    with transfer(f"making {name}") as progress:
        return synthetic.ensure(recipe, cache_directory(), progress)


def synthetic_recipe(name: str, shape: Shape, layers: int | None) -> synthetic.Recipe:
    """bf16 scales as in real builds; f32 ones where only the CPU computes, 8 times faster there."""
    on_cpu = collect_accelerator().backend == "cpu"
    return synthetic.Recipe(name, shape, layers, "f32" if on_cpu else "bf16")


def _looks_like_a_place(name: str) -> bool:
    return name.startswith(("hf:", "~", ".")) or "/" in name or Path(name).is_dir()


def _named(request: Request, spec: ModelSpec) -> Target:
    if spec.synthetic or request.synthetic or request.layers is not None:
        if spec.shape is None:
            raise InputError(
                f"{spec.name} has no shape in {spec.origin}, so no synthetic checkpoint of it",
                "add a [models.….shape] table, or measure the real one without --synthetic",
            )
        directory = make_synthetic(spec.name, spec.shape, request.layers)
        name = spec.name if request.layers is None else f"{spec.name}-{request.layers}l"
        return Target("mlx", name, str(directory), source="synthetic", synthetic=True)
    if spec.repository is None:
        raise InputError(
            f"{spec.name} names no repository in {spec.origin}",
            "add `repository = …` there, or measure random weights with --synthetic",
        )
    return _from_hub(spec.name, HubReference(spec.repository, spec.revision))


def _from_hub(name: str, place: HubReference) -> Target:
    with transfer(f"downloading {place.repository}") as progress:
        checkpoint = checkpoints.resolve(place.name, progress)
    return Target(
        "mlx",
        name,
        checkpoint.directory,
        source="hub",
        repository=checkpoint.repository,
        revision=checkpoint.revision,
        synthetic=_is_synthetic(Path(checkpoint.directory)),
    )


def _from_directory(directory: Path) -> Target:
    resolved = directory.resolve()
    checkpoints.resolve(str(resolved))
    return Target("mlx", resolved.name, str(resolved), synthetic=_is_synthetic(resolved))


def _is_synthetic(directory: Path) -> bool:
    return synthetic.is_synthetic(checkpoints.read_config(directory))


def hub_reference(name: str, models: dict[str, ModelSpec]) -> HubReference:
    """The repository behind a registry name or an `hf:` reference."""
    if not _looks_like_a_place(name):
        spec = registry.find(models, name)
        if spec.repository is None:
            raise InputError(f"{name} names no repository in {spec.origin}", "nothing to download")
        return HubReference(spec.repository, spec.revision)
    place = checkpoints.parse_reference(name)
    if not isinstance(place, HubReference):
        raise InputError(f"{name!r} is a directory", "give a registry name or hf:owner/repo")
    return place


def on_this_disk(
    name: str, models: dict[str, ModelSpec]
) -> tuple[Path, Sequence[checkpoints.ExpectedFile] | None]:
    """The directory of a model that was fetched or made before, and what the hub said of it."""
    if name in models and models[name].synthetic:
        return Path(resolve(Request(name), models).location), None
    if name not in models and _looks_like_a_place(name):
        place = checkpoints.parse_reference(name)
        if not isinstance(place, HubReference):
            if not place.is_dir():
                raise InputError(f"no directory {name!r}", "give a checkpoint's directory")
            return place, None
    reference = hub_reference(name, models)
    snapshot = checkpoints.cached(reference.repository, reference.revision)
    if snapshot is None:
        raise InputError(f"{name} is not on this disk", f"run `mlxbench models pull {name}`")
    expected = checkpoints.load_manifest(snapshot.repository, snapshot.commit)
    return snapshot.directory, expected
