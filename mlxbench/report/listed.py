"""What lists, exports and reports take from a store: what was measured of models.

`kernels bench` and `claims run` also time kernels, launches and parts of a model, as runs and
comparisons like any other. A "token" there is a launch: 174,431 of them a second would stand in a
list as the fastest model of all. So those are shown by their ids alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlxbench.errors import InputError
from mlxbench.records import Comparison, Run
from mlxbench.report.format import counted
from mlxbench.report.parts import of_a_part
from mlxbench.store import Store

SHOWN = 4  # identifiers, where there are too many


def runs(store: Store) -> list[Run]:
    """The runs of models, newest first, without their trials."""
    return [run for run in store.runs() if not of_a_part(run.arm)]


def comparisons(store: Store) -> list[Comparison]:
    """The comparisons of models, newest first."""
    found = map(store.comparison, store.comparison_ids())
    return [one for one in found if not any(map(of_a_part, one.arms))]


def left_out(shown: int, found: Sequence[object], noun: str) -> str | None:
    """`20 of 22 runs; --limit 22 shows all`; `None` where all are shown."""
    count = len(found)
    return f"{shown} of {count} {noun}; --limit {count} shows all" if shown < count else None


def full_id(store: Store, prefix: str) -> tuple[str, bool]:
    """The only run or comparison whose identifier starts so, and whether it is a comparison.

    Whole identifiers win. Raises InputError where there is none, and where there are several.
    """
    compared = store.comparison_ids(prefix=prefix)
    measured = [run.run_id for run in store.runs() if run.run_id.startswith(prefix)]
    for ids in (compared, measured):
        if prefix in ids:
            return prefix, ids is compared
    if not compared and not measured:
        raise InputError(
            f"no run {prefix!r}, and no comparison", "run `mlxbench results list` to see them"
        )
    if len(compared) + len(measured) > 1:
        counts = [
            counted(len(ids), noun)
            for ids, noun in ((measured, "run"), (compared, "comparison"))
            if ids
        ]
        some = sorted([*compared, *measured], reverse=True)
        more = ", …" if len(some) > SHOWN else ""
        raise InputError(
            f"{' and '.join(counts)} start with {prefix!r}",
            f"give more of it: {', '.join(some[:SHOWN])}{more}",
        )
    return (compared or measured)[0], bool(compared)
