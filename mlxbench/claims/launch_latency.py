"""Launch latency: can a quicker driver bring 10 to 15 %?

Tiny kernels in a chain, each waiting for the one before, cost their launches and nothing else; the
same number that need not wait shows how much of that can overlap. What a chain's launch takes,
times the kernels of a decoded token, is the share of the token's time that launches can be
blamed for. A gain of 10 % needs a share of 1 - 1/1.1. A share above that makes the claim
possible, and no more: only two OS builds on one machine could show it, and each run records its
build.

Traps: a launch in the model may overlap with another that it need not wait for, so the share is an
upper bound too, and may exceed 1. And a token takes hundreds of launches, so the model is no arm
beside the chains; its rate is a run of its own.
"""

from __future__ import annotations

from mlxbench.claims.claim import Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import bounded, inverse, times
from mlxbench.records import Arm, Target, Timed
from mlxbench.stats import Estimate

CLAIMED_GAIN = 1.10
CLAIMED_SHARE = 1 - 1 / CLAIMED_GAIN
DEPENDENT, INDEPENDENT, MODEL = "dependent", "independent", "model"
PART = "launches"


def setup(subject: Subject) -> Setup:
    swaps = subject.swaps
    task = Timed("decode", 1, subject.sizes.launches + 1)
    arms = {  # the fastest first: nobody is then confirmed as the winner
        INDEPENDENT: Arm(Target(swaps.chains, swaps.independent, ""), task),
        DEPENDENT: Arm(Target(swaps.chains, swaps.dependent, ""), task),
    }
    decode = Arm(subject.target, subject.sizes.decode)
    return Setup((Part(PART, arms),), {MODEL: subject.model}, {MODEL: decode})


def judge(evidence: Evidence) -> Judgement | None:
    shown, kernels = evidence.shown.get(PART), evidence.setup.models[MODEL].kernels_per_token
    waiting, rate = evidence.speed(PART, DEPENDENT), evidence.rates.get(MODEL)
    if shown is None or waiting is None:
        return None
    launch_s = 1 / shown.rates[DEPENDENT].value
    apart = f"A launch that waits for the one before takes {1e6 * launch_s:.3g} µs"
    apart += f", one that need not is {times(inverse(waiting.ratio))} as fast"
    if kernels is None or rate is None:
        unknown = "kernels could not be counted" if kernels is None else "rate was not measured"
        said = f"{apart}; the model's {unknown}."
        return Judgement("inconclusive", waiting.ratio, "speed of dependent launches", said)
    share = blamed(kernels, rate, shown.rates[DEPENDENT])
    word = bounded(share, CLAIMED_SHARE)
    needed = f"a gain of 10 % would need {CLAIMED_SHARE:.0%}"
    rest = "" if word == "not supported" else "; whether an OS brings it, only two builds can show"
    if share.value > 1:
        rest += ". That is more than all of it: in the model launches overlap, so it says little"
    return Judgement(
        word,
        share,
        "share of a token's time that launches can be blamed for",
        f"{apart}. The {kernels:,} kernels of a token can be blamed for {share.value:.0%} of its "
        f"time at most; {needed}{rest}.",
    )


def blamed(kernels: int, tokens_per_s: Estimate, launches_per_s: Estimate) -> Estimate:
    """The share of a token's time: kernels · tokens per second / launches per second.

    The interval combines the worst ends of both rates.
    """
    low = high = None
    if tokens_per_s.low is not None and launches_per_s.high is not None:
        low = kernels * tokens_per_s.low / launches_per_s.high
    if tokens_per_s.high is not None and launches_per_s.low is not None:
        high = kernels * tokens_per_s.high / launches_per_s.low
    value = kernels * tokens_per_s.value / launches_per_s.value
    return Estimate(value, low, high, min(tokens_per_s.n, launches_per_s.n))


CLAIM = Claim(
    name="launch-latency",
    claim="lower launch latency of the macOS driver brings 10–15 %",
    published="+10–15 %",
    source_says="anachronism: the driver that is credited came later",
    experiment="chains of tiny kernels, dependent and independent; and the model's decode, whose "
    "kernels are counted",
    setup=setup,
    judge=judge,
    counts_kernels=True,
)
