"""Which of the gathered results a report is about."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from mlxbench.errors import InputError
from mlxbench.records import Arm
from mlxbench.report.gathering import Gathered

Wanted = Callable[[str, Iterable[Arm]], bool]


def selected(gathered: Gathered, models: Collection[str] | None, since: str | None) -> Gathered:
    """Only these models, and only what was measured on the day `since` (YYYY-MM-DD) or later.

    Raises InputError where nothing is left, also where nothing was measured at all.
    """
    known = _models(gathered)
    if not known:
        advice = "run `mlxbench decode --model tiny-moe`, which downloads nothing"
        raise InputError("nothing was measured yet", advice)
    for name in models or ():
        if name not in known:
            near = difflib.get_close_matches(name, known) or sorted(known)
            raise InputError(f"no results of a model {name!r}", f"there are some of {_few(near)}")

    def wanted(created_utc: str, arms: Iterable[Arm]) -> bool:
        late = since is None or created_utc[:10] >= since
        return late and (not models or any(arm.target.model in models for arm in arms))

    kept = _kept(gathered, wanted)
    if not _models(kept):
        raise InputError(f"no results since {since}", "give an earlier day with --since")
    return kept


def _models(gathered: Gathered) -> set[str]:
    runs = [summary.run for summary in gathered.summaries]
    runs += [probe.run for probe in gathered.probes]
    arms = [run.arm for run in runs]
    arms += [arm for one in gathered.comparisons for arm in one.comparison.arms]
    return {arm.target.model for arm in arms}


def _kept(gathered: Gathered, wanted: Wanted) -> Gathered:
    pairs = zip(gathered.summaries, gathered.rows, strict=True)
    shown = [(one, row) for one, row in pairs if wanted(one.run.created_utc, [one.run.arm])]
    compared = tuple(
        found
        for found in gathered.comparisons
        if wanted(found.comparison.created_utc, found.comparison.arms)
    )
    ids = {found.comparison.comparison_id for found in compared}
    return replace(
        gathered,
        summaries=tuple(one for one, _ in shown),
        rows=tuple(row for _, row in shown),
        comparisons=compared,
        probes=tuple(
            probe for probe in gathered.probes if wanted(probe.run.created_utc, [probe.run.arm])
        ),
        environments={name: found for name, found in gathered.environments.items() if name in ids},
    )


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
