"""From interleaved trials to effects: which number of a trial is compared, and which trials pair.

The i-th measured trials of two arms were run in the same round, next to each other. A round in
which either failed is left out as a whole, so that what is left is still balanced.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from mlxbench import stats
from mlxbench.records import Completed, Metric, Trial
from mlxbench.stats import Effect, Order


def seconds(trial: Trial, metric: Metric) -> float | None:
    """What `metric` compares, in seconds: smaller is faster. `None` where a trial has none.

    decode: mean seconds per token after the first. median-gap: the median arrival gap between
    tokens (in pipelined mode no latency; none where a stamp may stand for several tokens).
    prefill, ttft: seconds to the first token.
    """
    if not isinstance(trial, Completed):
        return None
    stamps, steps = trial.stamps, trial.generated_tokens - 1
    if metric in ("prefill", "ttft"):
        return stamps[0]
    if steps < 1 or stamps[-1] <= stamps[0]:
        return None
    if metric == "decode":
        return (stamps[-1] - stamps[0]) / steps
    if len(stamps) != trial.generated_tokens:
        return None
    return statistics.median(b - a for a, b in itertools.pairwise(stamps))


def effect(
    metric: Metric,
    baseline: Sequence[Trial],
    other: Sequence[Trial],
    rounds: Sequence[Sequence[int]],
    arms: tuple[int, int],
) -> Effect | None:
    """How much faster `other` is than `baseline` over the rounds that both completed.

    `arms` are their indices in `rounds`, which says who went first.
    """
    speedups: list[float] = []
    orders: list[Order] = []
    for a, b, order in zip(baseline, other, rounds, strict=False):
        a_s, b_s = seconds(a, metric), seconds(b, metric)
        if a_s is None or b_s is None:
            continue
        speedups += stats.log_speedups([a_s], [b_s])
        orders.append("AB" if order.index(arms[0]) < order.index(arms[1]) else "BA")
    return stats.pair_effect(speedups, orders)
