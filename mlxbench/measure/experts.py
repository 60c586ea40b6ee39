"""Which experts a mixture uses for which poems, and whether those experts matter.

A routing log counts, for one prompt, how often each expert of each layer was chosen; it is taken in
a pass of its own, which no timing sees. Experts are *discovered* on one half of the held-out
poems, as those whose share of the tokens differs most between a poem with an acrostic and the same
lines shuffled; what promoting or banning them does is *scored* on the other half. Controls: biases
of zero, which must change no reply, and random experts of the same layers that are used about as
often. (The idea of steering by experts found this way: SteerMoE, arXiv 2509.09660.)
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlxbench.engines.protocol import Loaded, Routed
from mlxbench.errors import InputError
from mlxbench.measure.opening import Opened
from mlxbench.measure.session import Logging, Session
from mlxbench.records import BAN, GREEDY, Arm, ExpertBias, Generate, Options, Question, Routing

Counts = tuple[tuple[int, ...] | None, ...]  # [layers][experts]; None for a layer without a router
Place = tuple[int, int]  # layer, expert

UNCHANGED, IDENTITY = "as it is", "zero biases"  # the names of two arms
PROMOTION = 1.0  # added to the router's logit
RANDOM_SEED = 20_261_127


@dataclass(frozen=True, slots=True)
class Log:
    """How often each expert was chosen for the prompt of one question."""

    item: str
    counts: Counts

    def shares(self) -> dict[Place, float]:
        """Each expert's share of its layer's choices."""
        return {
            (layer, expert): count / sum(row)
            for layer, row in enumerate(self.counts)
            if row is not None
            for expert, count in enumerate(row)
        }


@dataclass(frozen=True, slots=True)
class Discovery:
    """Experts found on the train split, with what they are to be compared with.

    `differences` has the share for acrostics minus that for shuffled lines of each found expert;
    `random` an expert of the same layer for each, chosen among those used about as often.
    """

    differences: Mapping[Place, float]
    random: tuple[Place, ...]


def logs(
    opened: Opened, pairs: Sequence[tuple[Question, Question]], session: Session
) -> list[tuple[Log, Log]]:
    """The routing logs of two prompts at a time. Raises InputError where none can be taken."""
    found = []
    for number, (first, second) in enumerate(pairs, 1):
        session.on_event(Logging(number, len(pairs)))
        found.append((_log(opened.loaded, first), _log(opened.loaded, second)))
    return found


def _log(loaded: Loaded, question: Question) -> Log:
    if not isinstance(loaded, Routed):
        raise InputError("a server does not tell which experts it uses", "leave out --engine")
    request = Generate(question.messages, GREEDY, token_budget=1)
    return Log(question.item, loaded.route(request, Options(), 0))


def discover_experts(pairs: Sequence[tuple[Log, Log]], wanted: int) -> Discovery:
    """The `wanted` experts whose shares differ most; each pair is a poem's log and its shuffle's.

    Raises InputError when fewer experts exist than are wanted twice over.
    """
    means: dict[Place, float] = {}
    used: dict[Place, float] = {}
    for poem, shuffled in pairs:
        with_it, without = poem.shares(), shuffled.shares()
        for place, share in with_it.items():
            means[place] = means.get(place, 0.0) + (share - without[place]) / len(pairs)
            used[place] = used.get(place, 0.0) + (share + without[place]) / (2 * len(pairs))
    if len(means) < 2 * wanted:
        raise InputError(
            f"{wanted} experts to discover, of {len(means)} in all", "ask for at most half of them"
        )
    ranked = sorted(means, key=lambda place: (-abs(means[place]), place))
    found = ranked[:wanted]
    return Discovery({place: means[place] for place in found}, tuple(_matched(found, used)))


def _matched(found: Sequence[Place], used: Mapping[Place, float]) -> Iterator[Place]:
    """For each found expert a random one of the three that are used most nearly as often."""
    chooser, taken = random.Random(RANDOM_SEED), set(found)
    for place in found:
        free = [other for other in used if other not in taken]
        own_layer = [other for other in free if other[0] == place[0]] or free
        nearest = sorted(own_layer, key=lambda other: (abs(used[other] - used[place]), other))[:3]
        taken.add(chosen := nearest[int(chooser.random() * len(nearest))])
        yield chosen


def arms(base: Arm, found: Discovery) -> dict[str, Arm]:
    """The arms to score, by name; `base` is the model as it is."""
    experts = tuple(found.differences)
    return {
        UNCHANGED: base,
        IDENTITY: _steered(base, experts, 0.0),
        "found, promoted": _steered(base, experts, PROMOTION),
        "found, banned": _steered(base, experts, BAN),
        "random, promoted": _steered(base, found.random, PROMOTION),
        "random, banned": _steered(base, found.random, BAN),
    }


def _steered(base: Arm, experts: Sequence[Place], bias: float) -> Arm:
    biases = tuple(ExpertBias(layer, expert, bias) for layer, expert in sorted(experts))
    return replace(base, options=replace(base.options, routing=Routing(None, biases)))


def halves(questions: Sequence[Question]) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Every second question to discover on, and the others to score on."""
    return tuple(questions[0::2]), tuple(questions[1::2])
