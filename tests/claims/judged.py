"""What tests of judges share."""

from __future__ import annotations

from collections.abc import Callable

from mlxbench.claims import (
    Evidence,
    Judgement,
)
from mlxbench.records import Probe
from mlxbench.stats import Estimate
from tests.claims.subjects import (
    SAMPLER,
)


def judged(judge: Callable[[Evidence], Judgement | None], shown: Evidence) -> Judgement:
    """A judgement that there must be."""
    found = judge(shown)
    assert found is not None
    return found


def effect(found: Judgement) -> Estimate:
    assert found.effect is not None
    return found.effect


POEM = Probe("fomo", (), 20, SAMPLER, 100)
