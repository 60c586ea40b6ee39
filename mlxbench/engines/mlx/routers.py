"""What a routing may ask of a model's routers, and what it comes to in each layer. Pure.

Everything wrong with a routing is found here, from the shape alone where the shape is known, so
that it is refused before weights are loaded and before anything is timed.

Biases for one expert add up, those for one layer and those for each. From ±1e9 on they stop being
numbers: a ban or a pin decides, whatever else is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlxbench.errors import InputError
from mlxbench.records import BAN, PIN, ExpertBias, Routing, Shape

LARGEST_BIAS = 1e4  # with a logit added, still a number in f16, which ends at 65504


@dataclass(frozen=True, slots=True)
class Router:
    """The router of one layer: it chooses `top_k` of `experts` for each token."""

    experts: int
    top_k: int


@dataclass(frozen=True, slots=True)
class LayerBiases:
    """What is added to the logits [experts] of one layer, and what no logit outweighs."""

    logits: tuple[float, ...]
    banned: frozenset[int]
    pinned: frozenset[int]


def check(shape: Shape, routing: Routing | None) -> None:
    """Raises InputError for a routing that a model of this shape cannot have."""
    router = Router(shape.num_experts, shape.num_experts_per_tok) if shape.num_experts else None
    if routing is not None:
        plan([router] * shape.num_hidden_layers, routing)


def plan(routers: Sequence[Router | None], routing: Routing) -> list[LayerBiases | None]:
    """The biases of each layer, `None` where it has none; `routers` likewise. Raises InputError."""
    found = [router for router in routers if router is not None]
    if not found:
        raise InputError(
            f"this model has no routers: its {len(routers)} layers are all dense",
            "use a mixture of experts, such as qwen3-30b-a3b",
        )
    for router in found:
        _check_top_k(router, routing.top_k)
    for bias in routing.biases:
        _check_place(bias, routers)
    return [
        None if router is None else _layer(layer, router, routing)
        for layer, router in enumerate(routers)
    ]


def _check_top_k(router: Router, top_k: int | None) -> None:
    if top_k is not None and not 1 <= top_k <= router.experts:
        raise InputError(
            f"top_k is {top_k}, and a layer has {router.experts} experts",
            f"choose 1 to {router.experts} experts for each token",
        )


def _check_place(bias: ExpertBias, routers: Sequence[Router | None]) -> None:
    if bias.layer is not None and not 0 <= bias.layer < len(routers):
        raise InputError(
            f"a bias is for layer {bias.layer}, and the model has {len(routers)} layers",
            f"choose a layer from 0 to {len(routers) - 1}",
        )
    touched = [router for router in _of(bias.layer, routers) if router is not None]
    if not touched:
        raise InputError(
            f"a bias is for layer {bias.layer}, which has no router",
            "choose a layer with experts, or leave the bias out",
        )
    experts = min(router.experts for router in touched)
    if not 0 <= bias.expert < experts:
        raise InputError(
            f"a bias is for expert {bias.expert}, and a layer has {experts}",
            f"choose an expert from 0 to {experts - 1}",
        )


def _of(layer: int | None, routers: Sequence[Router | None]) -> Sequence[Router | None]:
    return routers if layer is None else routers[layer : layer + 1]


def _layer(layer: int, router: Router, routing: Routing) -> LayerBiases | None:
    own = [bias for bias in routing.biases if bias.layer in (None, layer)]
    if not own:
        return None
    banned = frozenset(bias.expert for bias in own if bias.bias <= BAN)
    pinned = frozenset(bias.expert for bias in own if bias.bias >= PIN)
    _check_fixed(layer, Router(router.experts, routing.top_k or router.top_k), banned, pinned)
    if pinned and not routing.selection_only:
        raise InputError(
            f"expert {min(pinned)} of layer {layer} is pinned by its logit, so it would take all "
            "the weight",
            "pin by selection only, or promote it by a smaller bias",
        )
    return LayerBiases(_sums(layer, router.experts, own), banned, pinned)


def _check_fixed(
    layer: int, router: Router, banned: frozenset[int], pinned: frozenset[int]
) -> None:
    if both := banned & pinned:
        raise InputError(
            f"expert {min(both)} of layer {layer} is both banned and pinned", "keep one of the two"
        )
    if len(pinned) > router.top_k:
        raise InputError(
            f"layer {layer} has {len(pinned)} pinned experts and runs {router.top_k} for a token",
            f"pin at most {router.top_k}, or raise top_k",
        )
    left = router.experts - len(banned)
    if left < router.top_k:
        raise InputError(
            f"bans leave layer {layer} with {left} experts, and it runs {router.top_k} for a token",
            f"ban at most {router.experts - router.top_k}, or lower top_k",
        )


def _sums(layer: int, experts: int, biases: Iterable[ExpertBias]) -> tuple[float, ...]:
    """The sum of the biases of each expert that are neither bans nor pins."""
    sums = [0.0] * experts
    for bias in biases:
        if not (bias.bias <= BAN or bias.bias >= PIN):
            sums[bias.expert] += bias.bias
    for expert, total in enumerate(sums):
        if not abs(total) <= LARGEST_BIAS:  # NaN too
            raise InputError(
                f"the bias of expert {expert} of layer {layer} is {total:g}",
                f"give at most {LARGEST_BIAS:g} either way, or ±{PIN:g} to pin or ban it",
            )
    return tuple(sums)
