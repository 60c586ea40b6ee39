"""Experiments as installers for a loaded model, with a count of how often they really ran.

The **oracle** is no experiment: its routers choose the same experts for every token without looking
at anything. It computes nonsense, at the speed that a router of no cost would have: an upper bound
for whatever makes routers faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from mlxbench.engines.mlx.kernels import Installer
from mlxbench.lab import moe_stages
from mlxbench.lab.backends import Backend
from mlxbench.lab.discovery import Found

ORACLE = "constant-routing"


@dataclass(slots=True)
class Swap:
    """One experiment on one backend; `calls` so far, `places` where it was put last."""

    found: Found
    backend: Backend
    calls: int = 0
    places: int = 0
    _launchers: Any = field(default=None, repr=False)

    @contextmanager
    def install(self, model: Any) -> Iterator[None]:
        """Put it into the model until the block ends."""
        if self._launchers is None:  # compiled once, not in every trial
            self._launchers = self.backend.launchers(self.found, closely=False)
        experiment = self.found.experiment
        with experiment.install(model, self._launchers, self._called) as places:
            self.places = places
            yield

    def _called(self) -> None:
        self.calls += 1


def installers(swaps: Sequence[Swap]) -> dict[str, Installer]:
    """By the names that options give them; the oracle is among them."""
    return {ORACLE: _constant_routing} | {swap.found.label: swap.install for swap in swaps}


@contextmanager
def _constant_routing(model: Any) -> Iterator[None]:
    def stages(block: Any) -> moe_stages.Stages:
        indices = mx.arange(block.top_k, dtype=mx.uint32)
        score = 1.0 / block.top_k

        def router(logits: mx.array) -> tuple[mx.array, mx.array]:
            shape = (*logits.shape[:-1], block.top_k)
            chosen = mx.broadcast_to(indices, shape)
            return chosen, mx.full(shape, score, dtype=logits.dtype)

        return moe_stages.Stages(router=router)

    with moe_stages.replaced(model, stages):
        yield
