"""How much a self-test does, and on which models.

What takes a GPU a moment takes a CPU minutes, so on the CPU real shapes lose most of their layers
and of their vocabulary; widths, heads and experts stay. On a GPU, layers of the mixture are added
as long as they take a small part of its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlxbench import roofline
from mlxbench.records import Shape
from mlxbench.synthetic import Recipe, size_bytes
from mlxbench.synthetic.recipe import ScaleType

TINY_DENSE, TINY_MIXTURE = "tiny-dense", "tiny-moe"
TINY = (TINY_DENSE, TINY_MIXTURE)
DENSE, MIXTURE = "qwen3-0.6b", "qwen3-30b-a3b"
CPU_VOCABULARY = 8_192
CPU_LAYERS = 1
MOST_LAYERS = 8  # of the mixture: 3 GB, enough for a step to be the device's and not Python's
SHARE_OF_MEMORY = 0.25


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done: `full` for people, `quick` for tests, which take every step as well.

    `most_rounds` bounds how often rates are compared. Kernels are checked in cases that move up to
    `case_bytes`, the first `cases` of them; on a GPU, with `decode_shape`, in a real model's too.
    """

    name: str
    shapes: tuple[str, ...]
    most_rounds: int
    repeats: int
    tokens: int
    cases: int
    case_bytes: int
    dtypes: tuple[str, ...]
    decode_shape: bool


FULL = Scale(
    name="full",
    shapes=(*TINY, DENSE, MIXTURE),
    most_rounds=8,
    repeats=3,
    tokens=24,
    cases=100,
    case_bytes=1 << 20,
    dtypes=("float32", "bfloat16"),  # what truth is held in, and what checkpoints come in
    decode_shape=True,
)
QUICK = replace(
    FULL,
    name="quick",
    shapes=(TINY_MIXTURE, DENSE),
    most_rounds=4,
    repeats=2,
    tokens=8,
    cases=2,
    case_bytes=1 << 18,
    dtypes=("bfloat16",),
    decode_shape=False,
)


def recipes(
    shapes: Mapping[str, Shape], scale: Scale, on_cpu: bool, usable_bytes: int | None
) -> list[Recipe]:
    """The checkpoints to be made and tested, in the scale's order."""
    scales: ScaleType = "f32" if on_cpu else "bf16"
    made = []
    for name in scale.shapes:
        shape, layers = shapes[name], None
        if on_cpu and is_slice(name):
            shape, layers = replace(shape, vocab_size=CPU_VOCABULARY), CPU_LAYERS
        elif name == MIXTURE:
            layers = fitting_layers(shape, usable_bytes)
        made.append(Recipe(name, shape, layers, scales))
    return made


def is_slice(name: str) -> bool:
    """Whether a model is a real shape, so that the device and not Python sets its pace."""
    return name not in TINY


def fitting_layers(shape: Shape, usable_bytes: int | None) -> int:
    """How many layers a slice gets: at least one, and no more than fit a quarter of the memory."""
    if usable_bytes is None:
        return 1
    for layers in range(MOST_LAYERS, 1, -1):
        sliced = replace(shape, num_hidden_layers=layers)
        if roofline.weight_bytes(sliced) <= SHARE_OF_MEMORY * usable_bytes:
            return layers
    return 1


def label(recipe: Recipe) -> str:
    """The checkpoint's name, with what was cut off."""
    shape = recipe.effective_shape
    layers = "" if recipe.layers is None else f", {recipe.layers} of its layers"
    cut = is_slice(recipe.name) and shape.vocab_size == CPU_VOCABULARY
    vocabulary = f", {CPU_VOCABULARY} of its tokens" if cut else ""
    return f"{recipe.name}{layers}{vocabulary} ({size_bytes(recipe) / 1e9:.2g} GB)"
