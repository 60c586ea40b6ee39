"""What the trials of an arm themselves say about how far to trust their rate."""

from __future__ import annotations

from mlxbench import stats
from mlxbench.measure.plan import FEWEST_TRIALS, TARGET_HALF_WIDTH, Progress
from mlxbench.records import Notice


def notices(progress: Progress) -> tuple[Notice, ...]:
    """One notice for each doubt, in a fixed order. Advice depends on what was already tried."""
    checks = (_cold, _not_steady, _imprecise, _outliers, _failures)
    return tuple(notice for check in checks if (notice := check(progress)) is not None)


def _cold(progress: Progress) -> Notice | None:
    if progress.warm or not progress.measured or progress.plan.warmup == 0:
        return None
    return Notice(
        "cold",
        "the budget had room for the very first trial only, which also warms up",
        "raise --budget, or measure fewer tokens at a time",
    )


def _not_steady(progress: Progress) -> Notice | None:
    """Only a warm-up that was free to go on can be said to have failed to settle."""
    if not progress.warm or progress.plan.warmup is not None or progress.settled():
        return None
    if len(progress.warm) <= stats.STEADY_WINDOW:
        few = len(progress.warm)
        trials = "one warm-up trial" if few == 1 else f"{few} warm-up trials"
        return Notice(
            "short-warmup",
            f"the budget had room for {trials}, too few to tell whether the pace was steady",
            "raise --budget, or measure fewer tokens at a time",
        )
    return Notice(
        "not-steady",
        f"trials still drifted by more than {stats.STEADY_TOLERANCE:.1%} after "
        f"{len(progress.warm)} warm-up trials",
        "close other programs, let the machine settle, or raise --budget",
    )


def _imprecise(progress: Progress) -> Notice | None:
    plan, n = progress.plan, len(progress.measured)
    if plan.trials is not None or n == 0:
        return None
    width = stats.mean(progress.measured).relative_half_width
    if n >= FEWEST_TRIALS and width is not None and width <= TARGET_HALF_WIDTH:
        return None
    reached = "no interval" if width is None else f"± {width:.1%}"
    return Notice(
        "imprecise",
        f"the budget ended at n = {n} with {reached}, "
        f"short of ± {TARGET_HALF_WIDTH:.0%} at n ≥ {FEWEST_TRIALS}",
        "raise --budget",
    )


def _outliers(progress: Progress) -> Notice | None:
    found = stats.outliers(progress.measured)
    if not found:
        return None
    return Notice(
        "outliers",
        f"some trials lie far from the rest ({len(found)} of {len(progress.measured)}); "
        "they are kept",
        "look for other work on this machine, and measure again",
    )


def _failures(progress: Progress) -> Notice | None:
    if not progress.failures:
        return None
    return Notice(
        "failed-trials",
        f"some trials failed ({progress.failures}) and are not in the rate, the latest because "
        f"{progress.latest_failure}",
        "see all of them with `mlxbench results show`",
    )
