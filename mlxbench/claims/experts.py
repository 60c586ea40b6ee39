"""Sparse-expert roulette: do answers fail because only a few experts run?

Were it so, more experts for each token, or a dense model, would pass where the model as it is
fails; only replies can tell, so without a probe the verdict stays open. What more experts cost is
measured either way.
"""

from __future__ import annotations

from mlxbench.claims.claim import UNKNOWN, Claim, Evidence, Judgement, Model, Part, Setup, Subject
from mlxbench.claims.judging import better_replies, inverse, times
from mlxbench.records import Arm, Options, Probe, Routing

MOST = 16
AS_IT_IS = "as it is"
DENSE = "dense"
TOP_K = "experts per token"


def setup(subject: Subject) -> Setup:
    shape = subject.model.shape
    assert shape is not None
    own = shape.num_experts_per_tok
    arms = {_name(k): _arm(subject, k, own) for k in _counts(shape.num_experts, own)}
    parts = [Part(TOP_K, arms)]
    dense = _dense(subject)
    if dense:
        beside = {
            AS_IT_IS: Arm(subject.target, subject.sizes.decode),
            DENSE: Arm(dense.target, subject.sizes.decode),
        }
        parts.append(Part(DENSE, beside))
    return Setup(tuple(parts), {AS_IT_IS: subject.model})


def probes(subject: Subject, probe: Probe) -> dict[str, Arm]:
    """The model as it is, with twice as many experts, and the dense one."""
    shape = subject.model.shape
    assert shape is not None
    twice = min(2 * shape.num_experts_per_tok, shape.num_experts)
    arms = {AS_IT_IS: Arm(subject.target, probe)}
    if twice > shape.num_experts_per_tok:
        arms[_name(twice)] = Arm(subject.target, probe, Options(routing=Routing(twice)))
    if dense := _dense(subject):
        arms[f"the dense {dense.target.model}"] = Arm(dense.target, probe)
    return arms


def judge(evidence: Evidence) -> Judgement | None:
    shape = evidence.setup.models[AS_IT_IS].shape
    assert shape is not None
    fewest, *_, most = evidence.setup.parts[0].arms
    own = evidence.speed(TOP_K, _name(shape.num_experts_per_tok))
    largest = evidence.speed(TOP_K, most)
    if largest is None:
        return None
    said = f"With {fewest} it is {times(inverse(largest.ratio))} as fast as with {most}"
    if own is not None:  # its own number is not the fewest
        gain = times(inverse(own.ratio))
        said += f", and {gain} as with its own {shape.num_experts_per_tok}"
    if beside := evidence.speed(DENSE, DENSE):
        said += f"; the dense model's speed is {times(beside.ratio)}"
    others = {name: one for name, one in evidence.probes.items() if name != AS_IT_IS}
    if AS_IT_IS in evidence.probes and others:
        found = better_replies(evidence.probes[AS_IT_IS], others, "sparsity")
        return Judgement(found.word, found.effect, found.effect_is, f"{found.sentence} {said}.")
    return Judgement(
        "inconclusive",
        inverse((own or largest).ratio),
        f"speed with {fewest} over {'its own number' if own else most}",
        f"{said}. Speed says nothing of answers: --probe on trained weights does.",
    )


def unfit(subject: Subject) -> str | None:
    if subject.model.shape is None:
        return UNKNOWN
    return None if subject.model.experts > 1 else "a dense model has no experts to choose among"


def _counts(experts: int, own: int) -> list[int]:
    """1, 2, 4, … as far as there are experts, and the model's own number."""
    powers = [1 << n for n in range(MOST.bit_length()) if 1 << n <= min(MOST, experts)]
    return sorted({*powers, own})


def _arm(subject: Subject, top_k: int, own: int) -> Arm:
    routing = None if top_k == own else Routing(top_k)
    return Arm(subject.target, subject.sizes.decode, Options(routing=routing))


def _dense(subject: Subject) -> Model | None:
    """The first of the other models that is known to be dense."""
    return next((one for one in subject.others if one.shape and not one.experts), None)


def _name(top_k: int) -> str:
    return f"{top_k} experts" if top_k > 1 else "1 expert"


CLAIM = Claim(
    name="experts",
    claim="sparse-expert roulette: the poem fails because few experts run for each token",
    published="FAIL",
    source_says="unsupported: routing is deterministic, and the dense model failed too",
    experiment="1 to 16 experts per token, and a dense model where one is named; with --probe, "
    "replies as well",
    setup=setup,
    judge=judge,
    unfit=unfit,
    probes=probes,
    uses=("replies",),
)
