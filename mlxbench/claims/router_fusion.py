"""The router fused into the experts' product: four to five times as fast?

Stock against one kernel that does softmax, top-k and renormalisation, and against the oracle, whose
routers choose constant experts for free. The oracle is no implementation but a bound: whatever is
fused, routing cannot cost less than nothing. So a bound below the claim refutes it, with or without
a kernel that can be timed here.
"""

from __future__ import annotations

from mlxbench.claims.claim import UNKNOWN, Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import at_least, bounded, times
from mlxbench.records import Arm, Options

CLAIMED = 4.0
STOCK, ORACLE, FUSED = "stock", "free routing", "fused router"


def setup(subject: Subject) -> Setup:
    stock = Arm(subject.target, subject.sizes.decode)
    free = Arm(subject.target, subject.sizes.decode, Options(kernels=(subject.swaps.oracle,)))
    parts = [Part("bound", {STOCK: stock, ORACLE: free})]
    if subject.swaps.fused_router:
        fused = Options(kernels=(subject.swaps.fused_router,))
        one = Arm(subject.target, subject.sizes.decode, fused)
        parts.append(Part("kernel", {STOCK: stock, FUSED: one}))
    return Setup(tuple(parts))


def judge(evidence: Evidence) -> Judgement | None:
    bound = evidence.speed("bound", ORACLE)
    if bound is None:
        return None
    most = f"Routing for free would bring {times(bound.ratio)}, which bounds every fused router"
    kernel = evidence.speed("kernel", FUSED)
    if kernel is None:
        return Judgement(
            bounded(bound.ratio, CLAIMED),
            bound.ratio,
            "speed with routing for free over stock: a bound",
            f"{most}; no fused kernel could be timed here.",
        )
    return Judgement(
        at_least(kernel.ratio, CLAIMED),
        kernel.ratio,
        "speed with the fused router over stock",
        f"The fused router brings {times(kernel.ratio)}. {most}.",
    )


def unfit(subject: Subject) -> str | None:
    if subject.model.shape is None:
        return UNKNOWN
    return None if subject.model.experts else "a dense model has no router"


CLAIM = Claim(
    name="router-fusion",
    claim="the router is fused into the experts' matrix product, which saves 8 launches a layer "
    "and makes decoding 4–5× as fast",
    published="4–5×",
    source_says="false: 19 separate kernels in each mixture layer, 6 of them for routing; without "
    "8 of them it would be 1.2× as fast at most",
    experiment="decode: stock, a fused router where one can be timed, and routing for free",
    setup=setup,
    judge=judge,
    unfit=unfit,
)
