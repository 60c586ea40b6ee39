"""Beam pruning: do answers fail because good continuations are cut away?

No engine here, nor the one in the lab note, searches with beams: a token is drawn, and that is
that. What can be varied is how much is cut away: all but the most likely token, which is greedy
decoding, or little, by the recommended sampling. Cutting is to blame if sampling passes where
greedy decoding fails. Only replies can tell.

Trap: the greedy reply is the same one each time. Its share of passes is 0 or 1 and has no interval;
chance is in the sampled replies alone.
"""

from __future__ import annotations

from dataclasses import replace

from mlxbench.claims.claim import (
    Claim,
    Evidence,
    Finding,
    Judgement,
    Part,
    Passes,
    Setup,
    Subject,
)
from mlxbench.claims.judging import MOSTLY, share, times
from mlxbench.records import GREEDY, Arm, Probe
from mlxbench.stats import Estimate

GREEDILY, SAMPLED = "greedy", "sampled"
PART = "drawing"


def setup(subject: Subject) -> Setup:
    task = subject.sizes.decode
    arms = {
        GREEDILY: Arm(subject.target, replace(task, sampler=GREEDY)),
        SAMPLED: Arm(subject.target, replace(task, sampler=subject.sampler)),
    }
    return Setup((Part(PART, arms),))


def probes(subject: Subject, probe: Probe) -> dict[str, Arm]:
    """Sampled as recommended; and greedily, once, for all greedy replies are the same one."""
    greedily = replace(probe, sampler=GREEDY, samples=1)
    return {SAMPLED: Arm(subject.target, probe), GREEDILY: Arm(subject.target, greedily)}


def judge(evidence: Evidence) -> Judgement | None:
    speed = evidence.speed(PART, SAMPLED)
    if speed is None:
        return None
    said = f"There are no beams to prune; sampling as recommended is {times(speed.ratio)} as fast"
    said += " as greedy"
    if SAMPLED in evidence.probes and GREEDILY in evidence.probes:
        found = replies(evidence.probes[GREEDILY], evidence.probes[SAMPLED])
        return Judgement(found.word, found.effect, found.effect_is, f"{found.sentence} {said}.")
    return Judgement(
        "inconclusive",
        speed.ratio,
        "speed of sampling over greedy",
        f"{said}. Speed says nothing of answers: --probe on trained weights does.",
    )


def replies(greedy: Passes, sampled: Passes) -> Judgement:
    """Whether sampling mostly passes where the greedy reply fails."""
    passes, found = int(greedy.passes > 0), share(sampled)
    word: Finding = "inconclusive"
    said = "too few replies, or too near one half, to tell"
    if passes:
        word, said = "not supported", "greedy decoding, which cuts the most away, passes"
    elif found.low > MOSTLY:
        word, said = "supported", "sampling, which cuts less away, mostly passes"
    elif found.high < MOSTLY:
        word, said = "not supported", "sampling, which cuts less away, mostly fails as well"
    change = Estimate(found.value - passes, found.low - passes, found.high - passes, n=sampled.n)
    shown = f"The greedy reply {'passes' if passes else 'fails'}, and {sampled.passes}/{sampled.n}"
    return Judgement(
        word, change, "share of passes, sampled less greedy", f"{shown} sampled pass: {said}."
    )


CLAIM = Claim(
    name="decoding",
    claim="beam pruning cuts away the continuations that would have passed",
    published="FAIL",
    source_says="false: there is no beam search",
    experiment="decode greedily and by the recommended sampling; with --probe, replies as well",
    setup=setup,
    judge=judge,
    probes=probes,
    uses=("replies",),
)
