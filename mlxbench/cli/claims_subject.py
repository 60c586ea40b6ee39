"""From `--model` to what claims are tested on: checkpoints, their slices, and the lab's names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlxbench import checkpoints, engines, synthetic
from mlxbench.claims import ON_CPU, ON_GPU, Model, Sizes, Subject, Swaps, Variants
from mlxbench.cli.display import transfer
from mlxbench.cli.probing import THINKING
from mlxbench.cli.targets import Request, resolve, synthetic_recipe
from mlxbench.engines.mlx.kernels import provided
from mlxbench.engines.mlx.tracing import count_kernels
from mlxbench.errors import InputError
from mlxbench.lab import ablations, backends, chain_engine, swapping
from mlxbench.lab.checking import check
from mlxbench.lab.discovery import discover
from mlxbench.paths import cache_directory
from mlxbench.records import Target
from mlxbench.registry import ModelSpec
from mlxbench.synthetic import Recipe

FUSED_ROUTER = "softmax_topk"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, of the models and of the sizes."""

    models: tuple[str, ...]
    synthetic: bool
    depths: tuple[int, ...] | None
    prompts: tuple[int, ...] | None


def sizes(asked: Asked, on_cpu: bool) -> Sizes:
    """Trials as long as this machine can bear, but for what was asked for."""
    usual = ON_CPU if on_cpu else ON_GPU
    depths = tuple(sorted(set(asked.depths or usual.depths)))
    prompts = tuple(sorted(set(asked.prompts or usual.prompts)))
    return replace(usual, depths=depths, prompts=prompts)


def named_recipes(asked: Asked, known: dict[str, ModelSpec]) -> dict[str, Recipe]:
    """By their names, the named models that are random weights."""
    specs = [known[name] for name in asked.models if name in known]
    return {
        spec.name: synthetic_recipe(spec.name, spec.shape, None)
        for spec in specs
        if spec.shape and (spec.synthetic or asked.synthetic)
    }


def named_models(asked: Asked, known: dict[str, ModelSpec]) -> list[Model]:
    """The models that were named, on this disk. Raises what resolving them raises."""
    names = dict.fromkeys(asked.models)
    return [described(resolve(Request(name, asked.synthetic), known)) for name in names]


def subject(asked: Asked, models: Sequence[Model], on_cpu: bool, swaps: Swaps) -> Subject:
    """The models with all that experiments take besides."""
    first = models[0]
    variants = _variants(first) if _can_be_made(first) else None
    return Subject(first, tuple(models[1:]), sizes(asked, on_cpu), swaps, THINKING, variants)


def rehearsed(real: Subject, recipes: dict[str, Recipe]) -> Subject:
    """A subject whose variants are noted in `recipes` and not made, to know its arms beforehand."""
    if real.variants is None:
        return real

    def noted(layers: int | None, bits: int | None) -> Model:
        name = _variant_name(real.model, layers, bits)
        recipes[name] = _variant_recipe(real.model, layers, bits)
        return replace(real.model, target=replace(real.target, model=name))

    return replace(real, variants=replace(real.variants, make=noted))


def described(target: Target) -> Model:
    """A target with what its files say of it."""
    found = checkpoints.inspect(
        Path(target.location), target.model, target.source, target.repository, target.revision
    )
    return Model(target, found)


def counted(model: Model, context: int) -> Model:
    """The same with the kernels of a step; without where its family is not known.

    Of another family a part may be compiled, and would keep what counting puts in its place.
    """
    if model.shape is None:
        return model
    config = checkpoints.read_config(Path(model.target.location))
    return replace(model, kernels_per_token=count_kernels(config, context).here)


@contextmanager
def swaps_at_hand() -> Iterator[Swaps]:
    """Everything that arms may name, provided to the engines until the block ends."""
    fused = _fused_router()
    swaps = [] if fused is None else [fused]
    with (
        engines.registered(chain_engine.NAME, chain_engine.__name__),
        provided(swapping.installers(swaps) | ablations.installers()),
    ):
        yield Swaps(
            oracle=swapping.ORACLE,
            fused_router=fused.found.label if fused else None,
            manual_attention=ablations.MANUAL_ATTENTION if ablations.fuses_attention() else None,
            chains=chain_engine.NAME,
            dependent=chain_engine.DEPENDENT,
            independent=chain_engine.INDEPENDENT,
            blocks=chain_engine.BLOCKS,
        )


def _fused_router() -> swapping.Swap | None:
    """The router's kernel where something here can time it, and only if it is right."""
    try:
        runner = backends.choose(backends.AUTO)
    except InputError:  # not even a compiler to verify it with
        return None
    found = discover(None).get(FUSED_ROUTER)
    if found is None or not runner.times or not all(one.passed for one in check(found, runner)):
        return None
    return swapping.Swap(found, runner)


def _can_be_made(model: Model) -> bool:
    """Whether random weights of its shape can be written."""
    if model.shape is None:
        return False
    try:
        synthetic_recipe(model.target.model, model.shape, None)
    except InputError:
        return False
    return True


def _variants(model: Model) -> Variants:
    """Synthetic checkpoints of a model's shape: other layers, other bits."""

    def make(layers: int | None, bits: int | None) -> Model:
        name = _variant_name(model, layers, bits)
        recipe = _variant_recipe(model, layers, bits)
        with transfer(f"making {name}") as progress:
            directory = synthetic.ensure(recipe, cache_directory(), progress)
        return described(Target("mlx", name, str(directory), source="synthetic", synthetic=True))

    def n_bytes(layers: int | None, bits: int | None) -> int:
        return synthetic.size_bytes(_variant_recipe(model, layers, bits))

    return Variants(make, n_bytes)


def _variant_recipe(model: Model, layers: int | None, bits: int | None) -> Recipe:
    assert model.shape is not None
    return replace(synthetic_recipe(model.target.model, model.shape, layers), bits=bits)


def _variant_name(model: Model, layers: int | None, bits: int | None) -> str:
    cut = f"-{layers}l" if layers else ""
    precision = {4: "", None: "-unquantised"}.get(bits, f"-{bits}bit")
    return f"{model.target.model}{cut}{precision}"
