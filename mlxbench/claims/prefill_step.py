"""Prompt tokens grouped by four: thirty per cent more tokens per second?

Grouping is the prefill step. It changes how fast a prompt is processed, by a lot; but a decoded
token is one token, whatever the prompt was grouped by, so the decode rate must not change. The
claim is about the decode rate.
"""

from __future__ import annotations

from dataclasses import replace

from mlxbench.claims.claim import Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import at_least, inverse, times, unchanged
from mlxbench.records import Arm, Options, Timed

CLAIMED = 1.30
GROUP = 4
STEPS = (1, GROUP, 64, 512, 2048, 8192)
LEAST_LONG = 64
DECODE, SHORT = "decode", "short prompt"


def setup(subject: Subject) -> Setup:
    short = subject.sizes.steps_prompt
    task = replace(subject.sizes.decode, prompt_tokens=short)  # one token at a time takes long
    decode = {_name(step): _arm(subject, task, step) for step in (1, GROUP)}
    parts = [Part(DECODE, decode)]
    parts.append(_prefill(subject, SHORT, short, [step for step in STEPS if step <= short]))
    for length in subject.sizes.prompts:
        smaller = {step for step in STEPS if max(LEAST_LONG, length // 32) <= step < length}
        parts.append(_prefill(subject, f"prompt of {length:,}", length, [*smaller, length]))
    return Setup(tuple(part for part in parts if len(part.arms) > 1))


def judge(evidence: Evidence) -> Judgement | None:
    decode = evidence.speed(DECODE, _name(GROUP))
    if decode is None:
        return None
    same = {
        "supported": "as it must be within 1 %",
        "not supported": "although nothing of a decoded token depends on it",
        "inconclusive": "not yet equal within 1 %",
    }[unchanged(decode)]
    return Judgement(
        at_least(decode.ratio, CLAIMED),
        decode.ratio,
        f"decode speed with prefill step {GROUP} over step 1",
        f"Grouping by {GROUP} changes decoding by {times(decode.ratio)}, {same}"
        f"{_of_prefill(evidence)}.",
    )


def _of_prefill(evidence: Evidence) -> str:
    """What grouping does to the prompt itself."""
    said = []
    for part in evidence.setup.parts[1:]:
        first, *others = part.arms
        smallest = others[-1]
        if (speed := evidence.speed(part.name, smallest)) is not None:
            said.append(f"{times(inverse(speed.ratio))} from {smallest} to {first}")
    return f"; prefill itself gains {', '.join(said)}" if said else ""


def _prefill(subject: Subject, name: str, length: int, steps: list[int]) -> Part:
    """The largest step first: the fastest, so that nobody is then confirmed as the winner."""
    task = Timed("prefill", length, 1)
    arms = {_name(step): _arm(subject, task, step) for step in sorted(steps, reverse=True)}
    return Part(name, arms, "prefill")


def _arm(subject: Subject, task: Timed, step: int) -> Arm:
    return Arm(subject.target, task, Options(prefill_step_size=step))


def _name(step: int) -> str:
    return f"step {step}"


CLAIM = Claim(
    name="prefill-step",
    claim="prompt tokens are silently grouped by about 4, which brings 30 %",
    published="+30 %",
    source_says="false: prompts go in batches of up to 512, and a decoded token is one token; how "
    "a prompt is grouped cannot move the time of decoding",
    experiment="decode and prefill with prefill steps from 1 to 8192, as far as prompts are long; "
    "decode must not change",
    setup=setup,
    judge=judge,
    uses=("prompts",),
)
