"""Beam pruning: do answers fail because good continuations are cut away?

No engine here, nor the one in the lab note, searches with beams: a token is drawn, and that is
that. What can be varied is how it is drawn, the most likely one or by the recommended sampling.
Only replies can tell whether that is why answers fail.
"""

from __future__ import annotations

from dataclasses import replace

from mlxbench.claims.claim import Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import better_replies, times
from mlxbench.records import GREEDY, Arm, Probe

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
        others = {GREEDILY: evidence.probes[GREEDILY]}
        found = better_replies(evidence.probes[SAMPLED], others, "sampling")
        return Judgement(found.word, found.effect, found.effect_is, f"{found.sentence} {said}.")
    return Judgement(
        "inconclusive",
        speed.ratio,
        "speed of sampling over greedy",
        f"{said}. Speed says nothing of answers: --probe on trained weights does.",
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
)
