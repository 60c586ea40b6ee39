"""4-bit fuzz: do answers fail because weights were rounded, and what do more bits cost?

Checkpoints of one shape at 4, 5, 6, 8 and 16 bits. A token's time against the bytes that it reads
is a line: its slope is one over the bandwidth that decoding reaches, its intercept what a token
costs besides. Whether answers get better only replies can tell, and only of trained weights.
"""

from __future__ import annotations

from mlxbench import roofline
from mlxbench.claims.claim import Claim, Evidence, Judgement, Model, Part, Setup, Subject
from mlxbench.claims.judging import better_replies, times
from mlxbench.records import Arm, Probe, Timed
from mlxbench.roofline import Observation, TimeModel

BITS = (4, 5, 6, 8, None)
PART = "precisions"
FEWEST = 2
# Random weights of five precisions are written to disk; a large model is cut to fewer layers.
MOST_PARAMETERS = 2e9


def setup(subject: Subject) -> Setup:
    given = _given(subject)
    models = given if len(given) >= FEWEST else _made(subject)
    arms = {name: Arm(model.target, subject.sizes.decode) for name, model in models.items()}
    return Setup((Part(PART, arms),), models)


def probes(subject: Subject, probe: Probe) -> dict[str, Arm]:
    """Only checkpoints that were named have answers; random ones have none."""
    given = _given(subject)
    if len(given) < FEWEST:
        return {}
    return {name: Arm(model.target, probe) for name, model in given.items()}


def judge(evidence: Evidence) -> Judgement | None:
    part = evidence.setup.parts[0]
    first, *_, last = part.arms
    widest = evidence.speed(PART, last)
    if widest is None:
        return None
    said = f"At {last} it is {times(widest.ratio)} as fast as at {first}; {_line(evidence)}"
    if first in evidence.probes and len(evidence.probes) > 1:
        others = {name: one for name, one in evidence.probes.items() if name != first}
        found = better_replies(evidence.probes[first], others, "rounding")
        return Judgement(found.word, found.effect, found.effect_is, f"{found.sentence} {said}.")
    return Judgement(
        "inconclusive",
        widest.ratio,
        f"speed at {last} over {first}",
        f"{said}. Speed says nothing of answers: name builds of several precisions and --probe.",
    )


def line(evidence: Evidence) -> TimeModel | None:
    """Time against bytes over all precisions; `kernel_s` is then what a token costs besides."""
    shown = evidence.shown[PART]
    points = []
    for name, arm in evidence.setup.parts[0].arms.items():
        assert isinstance(arm.task, Timed)
        read = evidence.setup.models[name].bytes_per_token(arm.task)
        if name in shown.rates and read is not None:
            points.append(Observation(name, read, 1, 1 / shown.rates[name].value))
    return roofline.fit(points)


def _line(evidence: Evidence) -> str:
    found = line(evidence)
    if found is None:
        return "a token's time does not grow with its bytes along a line"
    return (
        f"a token's time follows {found.bandwidth / 1e9:.3g} GB/s and "
        f"{1e3 * found.kernel_s:.3g} ms besides ({found.points} precisions)"
    )


def unfit(subject: Subject) -> str | None:
    if len(_given(subject)) >= FEWEST or subject.variant:
        return None
    return "its shape is not one that random weights can be made of"


def _given(subject: Subject) -> dict[str, Model]:
    """The named models of the first one's shape, from the fewest bits on."""
    alike = [
        one
        for one in subject.models
        if one.shape == subject.model.shape and one.checkpoint.bits_per_weight
    ]
    ordered = sorted(alike, key=lambda one: one.checkpoint.bits_per_weight or 0)
    return {f"{one.checkpoint.bits_per_weight:.3g} bits per weight": one for one in ordered}


def _made(subject: Subject) -> dict[str, Model]:
    assert subject.variant is not None
    assert subject.model.shape is not None
    shape, variant = subject.model.shape, subject.variant
    share = MOST_PARAMETERS / roofline.parameters(shape).total
    layers = max(1, min(shape.num_hidden_layers, int(shape.num_hidden_layers * share)))
    kept = None if layers == shape.num_hidden_layers else layers
    return {f"{bits} bits" if bits else "full precision": variant(kept, bits) for bits in BITS}


CLAIM = Claim(
    name="precision",
    claim="4-bit fuzz: the poem fails because weights were rounded to 4 bits",
    published="FAIL",
    source_says="plausible: and small, MMLU-Pro 70.7, 72.5 and 72.6 at 4, 8 and 16 bits",
    experiment="decode of one shape at 4, 5, 6, 8 and 16 bits, milliseconds against bytes; with "
    "--probe, replies of named builds as well",
    setup=setup,
    judge=judge,
    unfit=unfit,
    probes=probes,
)
