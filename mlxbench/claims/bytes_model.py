"""First principles: is a rate computed from bytes off by five times?

The lab note's guesses read all weights for every token of a sparse model. With the bytes that a
token really reads, and a cost for each kernel, two constants fitted on other models predict this
one. The interval is what the measured rates of all models leave open: predictions are computed at
the ends of their intervals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mlxbench import roofline
from mlxbench.claims.claim import Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import at_least, times
from mlxbench.records import Arm, Timed
from mlxbench.roofline import Observation
from mlxbench.stats import Estimate

CLAIMED = 5.0
PART = "models"
PREDICTED = ""  # the key of the predicted model among the setup's
EFFECT = "by what factor the prediction is off"
FEWEST = 3
BITS = 4
SLICES = ((4, 8), (2, 4))  # a model's layers over these: the first pair that differ


def setup(subject: Subject) -> Setup:
    """The first model is predicted; slices of its shape fill up where fewer than three are named.

    Arms stand from few bytes to many: probably from fast to slow, so that nobody is confirmed.
    """
    models = {one.target.model: one for one in subject.models}
    for layers in _slices(subject)[: max(0, FEWEST - len(models))]:
        assert subject.variants is not None
        made = subject.variants.make(layers, BITS)
        models[made.target.model] = made
    ordered = sorted(models.items(), key=lambda pair: pair[1].active_bytes or 0)
    arms = {name: Arm(model.target, subject.sizes.decode) for name, model in ordered}
    return Setup((Part(PART, arms),), {PREDICTED: subject.model, **models})


def judge(evidence: Evidence) -> Judgement | None:
    points = _points(evidence)
    predicted = evidence.setup.models[PREDICTED].target.model
    rates = evidence.shown[PART].rates if PART in evidence.shown else {}
    if predicted not in rates or len(rates) < FEWEST:
        return None
    if predicted not in points or len(points) < FEWEST:
        return Judgement(
            "inconclusive", None, EFFECT, "The bytes or the kernels of a token are not known."
        )
    others = [name for name in points if name != predicted]
    model = roofline.fit([points[name] for name in others])
    if model is None:
        return Judgement(
            "inconclusive",
            None,
            EFFECT,
            f"{', '.join(others)} do not determine two positive constants: name models that differ "
            "more in their bytes per kernel.",
        )
    error = roofline.error_of(model, points[predicted])
    factor = _factor(points, rates, predicted)
    return Judgement(
        at_least(factor, CLAIMED),
        factor,
        EFFECT,
        f"From {', '.join(others)}: {model.bandwidth / 1e9:.3g} GB/s and "
        f"{1e6 * model.kernel_s:.3g} µs a kernel put {predicted} at "
        f"{rates[predicted].value / (1 + error):.3g} tok/s; measured "
        f"{rates[predicted].value:.3g}, off by {times(factor)}.",
    )


def _points(evidence: Evidence) -> dict[str, Observation]:
    rates = evidence.shown[PART].rates if PART in evidence.shown else {}
    points = {}
    for name, arm in evidence.setup.parts[0].arms.items():
        model = evidence.setup.models[name]
        assert isinstance(arm.task, Timed)
        read, kernels = model.bytes_per_token(arm.task), model.kernels_per_token
        if name in rates and read and kernels:
            points[name] = Observation(name, read, kernels, 1 / rates[name].value)
    return points


def _factor(
    points: Mapping[str, Observation], rates: Mapping[str, Estimate], predicted: str
) -> Estimate:
    """How far off, 1 at best; over all combinations of the ends of the rates' intervals."""
    middle = off_by(points.values(), {}, predicted)
    assert middle is not None
    ends = [[(name, rates[name].low), (name, rates[name].high)] for name in points]
    found = [
        off_by(points.values(), dict(corner), predicted) for corner in itertools.product(*ends)
    ]
    n = min(rates[name].n for name in points)
    errors = [error for error in found if error is not None]
    if len(errors) < len(found):  # at some corner nothing can be fitted: no interval
        return Estimate(math.exp(abs(middle)), None, None, n)
    low = 0.0 if min(errors) <= 0 <= max(errors) else min(map(abs, errors))
    return Estimate(math.exp(abs(middle)), math.exp(low), math.exp(max(map(abs, errors))), n)


def off_by(
    points: Iterable[Observation], rates: Mapping[str, float | None], predicted: str
) -> float | None:
    """ln of predicted over measured seconds, from a fit of the other points; `None` without a fit.

    `rates` stand in for the measured ones where they are given.
    """
    at = [
        replace(one, seconds_per_token=1 / rate) if (rate := rates.get(one.name)) else one
        for one in points
    ]
    model = roofline.fit([one for one in at if one.name != predicted])
    if model is None:
        return None
    left_out = next(one for one in at if one.name == predicted)
    return math.log1p(roofline.error_of(model, left_out))


def unfit(subject: Subject) -> str | None:
    if len(subject.models) >= FEWEST or _slices(subject):
        return None
    return "it takes three models, and no slices can be made of this one"


def _slices(subject: Subject) -> Sequence[int]:
    """Two numbers of layers, both fewer than the model's own, and no more than may be written.

    Two layers and one at least, for a single slice predicts nothing.
    """
    shape, variants = subject.model.shape, subject.variants
    if shape is None or variants is None:
        return ()
    own = shape.num_hidden_layers
    most = max(2, variants.most_layers(own, BITS))
    pairs = ((min(own // large, most), min(own // small, most // 2)) for large, small in SLICES)
    return next((pair for pair in pairs if 0 < min(pair) < max(pair)), ())


CLAIM = Claim(
    name="bytes-model",
    claim="first-principles estimates of tokens per second are hopeless, off by 5×",
    published="5× off",
    source_says="misapplied: the method was wrong, not the idea; all weights were counted for a "
    "model that reads a tenth of them",
    experiment="decode of three models: t = bytes/bandwidth + kernels·c, fitted on the others, "
    "predicts the first",
    setup=setup,
    judge=judge,
    unfit=unfit,
    counts_kernels=True,
)
