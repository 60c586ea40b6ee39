"""What lists, exports and reports take from a store: what was measured of models.

`kernels bench` and `claims run` also time kernels, launches and parts of a model, as runs and
comparisons like any other. A "token" there is a launch: 174,431 of them a second would stand in a
list as the fastest model of all. So those are shown by their ids alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mlxbench.engines import OF_PARTS
from mlxbench.records import Arm, Comparison, Run
from mlxbench.store import Store


def runs(store: Store, limit: int | None = None) -> list[Run]:
    """The newest `limit` runs of models, or all, newest first, without their trials."""
    return list(islice((run for run in store.runs() if not of_a_part(run.arm)), limit))


def comparisons(store: Store, limit: int | None = None) -> list[Comparison]:
    """The newest `limit` comparisons of models, or all, newest first."""
    return list(islice(_comparisons(store), limit))


def of_a_part(arm: Arm) -> bool:
    """Whether an arm is a part of a model, whose rate is not in tokens."""
    return arm.target.engine in OF_PARTS


def _comparisons(store: Store) -> Iterator[Comparison]:
    for found in store.comparison_ids():
        comparison = store.comparison(found)
        if not any(map(of_a_part, comparison.arms)):
            yield comparison
