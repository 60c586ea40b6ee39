"""From interleaved trials to effects: which number of a trial is compared, and which trials pair.

The i-th measured trials of two arms were run in the same round, next to each other. A round in
which either failed is left out as a whole, so that what is left is still balanced.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from mlxbench import stats
from mlxbench.records import Completed, Metric, Trial
from mlxbench.stats import Effect, Order


def seconds(trial: Trial, metric: Metric) -> float | None:
    """What `metric` compares, in seconds: smaller is faster. `None` where a trial has none.

    decode: mean seconds per token after the first. median-gap: the median arrival gap between
    tokens (in pipelined mode no latency). prefill, ttft: seconds to the first token.
    """
    if not isinstance(trial, Completed):
        return None
    if metric in ("prefill", "ttft"):
        return trial.stamps[0]
    gaps = [later - earlier for earlier, later in zip(trial.stamps, trial.stamps[1:], strict=False)]
    if not gaps:
        return None
    return statistics.median(gaps) if metric == "median-gap" else sum(gaps) / len(gaps)


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
