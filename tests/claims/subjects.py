"""Subjects and evidence made by hand, for judges and setups that need no machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlxbench import roofline
from mlxbench.claims import (
    ON_GPU,
    Evidence,
    Model,
    Setup,
    Shown,
    Speed,
    Subject,
    Swaps,
    Variants,
)
from mlxbench.records import Checkpoint, Sampler, Shape, Target
from mlxbench.stats import Estimate, Word
from tests.synthetic.shapes import DENSE, MOE

SWAPS = Swaps("oracle", None, "manual", "chain", "dependent", "independent", "blocks")
SAMPLER = Sampler(0.6, 0.95, 20)
BILLION = 1_000_000_000


def a_model(name: str, shape: Shape | None, bits: float = 4.5, active: int = BILLION) -> Model:
    checkpoint = Checkpoint(
        name, "directory", name, bits_per_weight=bits, params_active=active, shape=shape
    )
    return Model(Target("mlx", name, name), checkpoint)


def a_subject(shape: Shape | None = MOE, *others: Model, fused: str | None = None) -> Subject:
    """The model `first` with slices and precisions that are never made."""
    first = a_model("first", shape)

    def make(layers: int | None, bits: int | None) -> Model:
        name = f"first-{layers}-{bits}"
        return replace(first, target=replace(first.target, model=name))

    def n_bytes(layers: int | None, bits: int | None) -> int:
        assert shape is not None
        cut = replace(shape, num_hidden_layers=layers or shape.num_hidden_layers)
        return roofline.parameters(cut).total * (bits or 16) // 8

    swaps = replace(SWAPS, fused_router=fused)
    variants = Variants(make, n_bytes) if shape else None
    return Subject(first, others, ON_GPU, swaps, SAMPLER, variants)


def estimate(value: float, low: float | None, high: float | None, n: int = 8) -> Estimate:
    return Estimate(value, low, high, n)


def speed(value: float, low: float, high: float, word: Word = "inconclusive") -> Speed:
    return Speed(estimate(value, low, high), word)


def evidence(
    setup: Setup,
    speeds: Mapping[tuple[str, str], Speed],
    rates: Mapping[str, Estimate] | None = None,
) -> Evidence:
    """Speeds by part and arm; `rates` are those of every part."""
    shown = {
        part.name: Shown(
            f"id of {part.name}",
            {arm: one for (of, arm), one in speeds.items() if of == part.name},
            rates or {},
        )
        for part in setup.parts
    }
    return Evidence(setup, shown)


__all__ = ["DENSE", "MOE", "a_model", "a_subject", "estimate", "evidence", "speed"]
