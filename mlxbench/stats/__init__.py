"""Statistics of trials, pure: numbers in, numbers out.

- `estimates`: one arm's mean, throughput and bandwidth utilisation; steadiness; outliers.
- `percentiles`: of token latencies, with the rule for when there are enough.
- `blocks`, `paired`, `looks`, `verdicts`: one comparison, in the order in which it happens.
- `unpaired`: two runs that were not measured in pairs, which is weaker.
- `proportions`: shares of passes; many comparisons at once.
- `trends`: whether the machine slowed down on the way.
- `student`: Student's t.
"""

from mlxbench.stats.blocks import PAIRS_PER_BLOCK, Order, abba_orders
from mlxbench.stats.estimates import (
    STEADY_TOLERANCE,
    STEADY_WINDOW,
    STOPPING_LEVEL,
    Estimate,
    bandwidth_utilisation,
    is_steady,
    mean,
    outliers,
    throughput,
)
from mlxbench.stats.looks import ALPHA, FIRST_LOOK, ONLY_LOOK, Look, early_looks, look
from mlxbench.stats.paired import (
    Contrast,
    Effect,
    log_speedups,
    pair_effect,
    pairs_to_detect,
    session_effect,
)
from mlxbench.stats.percentiles import effective_size, fewest, percentile
from mlxbench.stats.proportions import difference, holm, mcnemar, wilson
from mlxbench.stats.student import t_quantile, two_sided_p
from mlxbench.stats.trends import Trend, trend
from mlxbench.stats.unpaired import unpaired_effect
from mlxbench.stats.verdicts import PRACTICAL_DIFFERENCE, Verdict, Word, verdict

__all__ = [
    "ALPHA",
    "FIRST_LOOK",
    "ONLY_LOOK",
    "PAIRS_PER_BLOCK",
    "PRACTICAL_DIFFERENCE",
    "STEADY_TOLERANCE",
    "STEADY_WINDOW",
    "STOPPING_LEVEL",
    "Contrast",
    "Effect",
    "Estimate",
    "Look",
    "Order",
    "Trend",
    "Verdict",
    "Word",
    "abba_orders",
    "bandwidth_utilisation",
    "difference",
    "early_looks",
    "effective_size",
    "fewest",
    "holm",
    "is_steady",
    "log_speedups",
    "look",
    "mcnemar",
    "mean",
    "outliers",
    "pair_effect",
    "pairs_to_detect",
    "percentile",
    "session_effect",
    "t_quantile",
    "throughput",
    "trend",
    "two_sided_p",
    "unpaired_effect",
    "verdict",
    "wilson",
]
