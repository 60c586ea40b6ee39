"""4-bit fuzz: do answers fail because weights were rounded, and what do more bits cost?

Checkpoints of one shape at 4, 5, 6, 8 and 16 bits. A token's time against the bytes that it reads
is a line: its slope is one over the bandwidth that decoding reaches, its intercept what a token
costs besides. Whether answers get better only replies can tell, and only of trained weights.

Named builds of the first model's shape are compared as they are. Only those with more bits than
the first have less of the rounding that is to blame.
"""

from __future__ import annotations

from mlxbench import roofline
from mlxbench.claims.claim import Claim, Evidence, Judgement, Model, Part, Passes, Setup, Subject
from mlxbench.claims.judging import better_replies, times
from mlxbench.records import Arm, Probe, Timed
from mlxbench.roofline import Observation, TimeModel

BITS = (4, 5, 6, 8, None)
PART = "precisions"
FEWEST = 2


def setup(subject: Subject) -> Setup:
    models = _given(subject) or _made(subject)
    arms = {name: Arm(model.target, subject.sizes.decode) for name, model in models.items()}
    return Setup((Part(PART, arms),), models)


def probes(subject: Subject, probe: Probe) -> dict[str, Arm]:
    """Only checkpoints that were named have answers; random ones have none."""
    return {name: Arm(model.target, probe) for name, model in _given(subject).items()}


def judge(evidence: Evidence) -> Judgement | None:
    part = evidence.setup.parts[0]
    first, *_, last = part.arms
    widest = evidence.speed(PART, last)
    if widest is None:
        return None
    said = f"With {last} it is {times(widest.ratio)} as fast as with {first}; {_line(evidence)}"
    finer = _finer(evidence, first)
    if first in evidence.probes and finer:
        found = better_replies(evidence.probes[first], finer, "rounding")
        return Judgement(found.word, found.effect, found.effect_is, f"{found.sentence} {said}.")
    return Judgement(
        "inconclusive",
        widest.ratio,
        f"speed with {last} over {first}",
        f"{said}. Speed says nothing of answers: --probe, and name builds of more bits than the "
        "first.",
    )


def _finer(evidence: Evidence, first: str) -> dict[str, Passes]:
    """The replies of builds that have more bits than the first."""
    bits = {name: _bits(model) for name, model in evidence.setup.models.items()}
    return {name: one for name, one in evidence.probes.items() if bits[name] > bits[first]}


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
    if subject.variants or _given(subject):
        return None
    return "its shape is not one that random weights can be made of"


def _given(subject: Subject) -> dict[str, Model]:
    """The first model and the others of its shape, from the fewest bits on; empty if all are alike.

    Two builds may have equally many bits, so the models' names are part of theirs here.
    """
    first = subject.model
    if first.shape is None:
        return {}
    others = [one for one in subject.others if one.shape == first.shape]
    known = [one for one in (first, *sorted(others, key=_bits)) if _bits(one)]
    if first not in known or len({f"{_bits(one):.3g}" for one in known}) < FEWEST:
        return {}
    made: dict[str, Model] = {}
    for one in known:
        made.setdefault(f"{one.target.model} of {_bits(one):.3g} bits per weight", one)
    return made


def _bits(model: Model) -> float:
    return model.checkpoint.bits_per_weight or 0


def _made(subject: Subject) -> dict[str, Model]:
    """Random weights of each precision; a large model is cut to the same few layers in all."""
    assert subject.variants is not None
    assert subject.model.shape is not None
    own = subject.model.shape.num_hidden_layers
    layers = subject.variants.most_layers(own, None)
    kept = None if layers == own else layers
    return {
        f"{bits} bits" if bits else "full precision": subject.variants.make(kept, bits)
        for bits in BITS
    }


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
    uses=("replies",),
)
