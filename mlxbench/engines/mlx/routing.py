"""The routers of a loaded mixture, changed while a block runs; and which experts they choose.

A router gives each expert a logit; the softmax of the logits gives scores, the `top_k` best experts
run, and their scores, made to sum to one, weight what they say. So there are three places to turn:

- **top_k**, which mlx-lm reads in each call.
- **a logit bias**, in a module around the router's linear layer. It changes what is chosen and the
  weights of everything chosen; a ban makes the weight 0.
- **a selection bias**. It changes what is chosen and nothing else: the weights are the unbiased
  scores of whatever runs. mlx-lm has no place for that, so the call of the block's class is
  replaced by one with the same operations in the same order but for the selection.

Traps:
- In bf16, scores of different logits can be equal, and which of them wins is then up to mlx. So
  selection works on scores, as mlx-lm's does, not on logits: with biases of zero the model's own
  choice comes out, bit for bit.
- Bans and pins therefore subtract 2 from a score or add it, which no score between 0 and 1
  outweighs, and leave all other scores as they were. A finite bias cannot do that: it changes the
  sum that every score is divided by, so that near ties among the others may round differently.
- The block's call is copied, so another mlx-lm or another family might compute something else. A
  selection bias is refused for a block whose own outputs the copy does not repeat bit for bit.
- A selection costs three small operations more per layer: its rate is not quite the model's.
- Routings nest, and each changes the model as it finds it; but of two selections in one layer only
  the inner one counts.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import mlx.core as mx
from mlx.nn.layers.base import Module

from mlxbench.engines.mlx import loop, routers
from mlxbench.engines.mlx.context import new_cache
from mlxbench.errors import InputError
from mlxbench.records import BAN, Options, Routing

ATTRIBUTES = ("gate", "switch_mlp", "top_k", "norm_topk_prob", "num_experts")
OUTWEIGHS = 2.0  # scores lie between 0 and 1
COMPARED_TOKENS = 8


@contextmanager
def applied(model: Any, routing: Routing | None) -> Iterator[None]:
    """Change the model's routers, and restore them exactly afterwards. Raises InputError."""
    if routing is None:
        yield
        return
    blocks = _blocks(model)
    plan = routers.plan([_router(block) for block in blocks], routing)
    biased = [
        (block, biases) for block, biases in zip(blocks, plan, strict=True) if biases is not None
    ]
    if biased and routing.selection_only:
        _refuse_unlike(model, [block for block, _ in biased])
    with ExitStack() as stack:
        if routing.top_k is not None:
            for block in blocks:
                if block is not None:
                    stack.enter_context(_replaced(block, "top_k", routing.top_k))
        if routing.selection_only:
            _select(stack, {id(block): _selection(biases) for block, biases in biased}, blocks)
        else:
            for block, biases in biased:
                stack.enter_context(_replaced(block, "gate", _BiasedGate(block.gate, biases)))
        yield


def count_experts(model: Any, tokens: mx.array, options: Options) -> list[list[int] | None]:
    """How often each expert of each layer was chosen over a prompt [1, T]: T · top_k per layer.

    A forward of its own, untimed, under the trial's routing, cache type and prefill chunks (other
    chunks round differently, which may turn a near tie). Layers without a router are `None`;
    raises InputError where none has one.
    """
    step = options.prefill_step_size
    with ExitStack() as stack:
        stack.enter_context(applied(model, options.routing or Routing()))
        counters = [
            None if block is None else stack.enter_context(_counted(block))
            for block in _blocks(model)
        ]
        cache = new_cache(model, options)
        for begin in range(0, tokens.shape[1], step):
            loop.prefill(model, cache, tokens[:, begin : begin + step], step)
            # The last layer's experts change no KV cache: without this, their graphs would pile up.
            mx.eval([counter.counts for counter in counters if counter is not None])
    return [None if counter is None else _integers(counter.counts) for counter in counters]


@dataclass(frozen=True, slots=True)
class _Selection:
    """Logit biases [experts], and what is added to the scores that come of them [experts]."""

    biases: mx.array
    lifts: mx.array

    def scores(self, logits: mx.array) -> mx.array:
        """Logits → what the best experts are chosen by, both [..., experts] and of one type."""
        biased = logits + self.biases.astype(logits.dtype)
        return mx.softmax(biased, axis=-1, precise=True) + self.lifts.astype(logits.dtype)


class _BiasedGate(Module):
    """A router with a bias on its logits."""

    def __init__(self, gate: Module, biases: routers.LayerBiases) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gate = gate
        self.biases = mx.array(biases.logits) + _at(biases.banned, len(biases.logits), BAN)

    def __call__(self, x: mx.array) -> mx.array:
        logits: mx.array = self.gate(x)
        return logits + self.biases.astype(logits.dtype)


class _Counter(Module):
    """The experts of a layer, which count how often each was called."""

    def __init__(self, inner: Module, experts: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inner = inner
        self.counts = mx.zeros(experts, mx.int32)

    def __call__(self, x: mx.array, chosen: mx.array) -> mx.array:
        self.counts = self.counts.at[chosen.reshape(-1)].add(1)
        output: mx.array = self.inner(x, chosen)
        return output


def _blocks(model: Any) -> list[Any]:
    """The mixture block of each layer, `None` for a dense layer. Raises InputError."""
    return [_block(layer) for layer in model.layers]


def _block(layer: Any) -> Any:
    block = getattr(layer, "mlp", None)
    if all(hasattr(block, name) for name in ATTRIBUTES):
        return block
    if block is None or hasattr(block, "switch_mlp"):
        _refuse(layer if block is None else block)
    return None


def _refuse(block: Any) -> NoReturn:
    raise InputError(
        f"the router in mlx-lm's {type(block).__name__} works in a way that is not known here",
        "leave the routing out, or use a Qwen-3 mixture",
    )


def _router(block: Any) -> routers.Router | None:
    return None if block is None else routers.Router(block.num_experts, block.top_k)


def _forward(block: Any, x: mx.array, selection: _Selection) -> mx.array:
    """A block's output [B, T, hidden] with a selection; else as mlx-lm's `models/qwen3_moe.py`."""
    logits = block.gate(x)
    gates = mx.softmax(logits, axis=-1, precise=True)
    k = block.top_k
    chosen = mx.argpartition(selection.scores(logits), kth=-k, axis=-1)[..., -k:]
    scores = mx.take_along_axis(gates, chosen, axis=-1)
    if block.norm_topk_prob:
        scores /= mx.sum(scores, axis=-1, keepdims=True)
    y: mx.array = block.switch_mlp(x, chosen)
    return (y * scores[..., None]).sum(axis=-2).astype(y.dtype)


def _select(stack: ExitStack, selections: Mapping[int, _Selection], blocks: list[Any]) -> None:
    """Replace the call of the blocks' classes: Python looks it up there, not on the block."""
    chosen = {type(block) for block in blocks if id(block) in selections}
    for owner in {_owner(kind) for kind in chosen}:
        call = _selecting(vars(owner)["__call__"], selections)
        stack.enter_context(_replaced(owner, "__call__", call))


def _owner(kind: type) -> type:
    """The class that defines the call of `kind`, which may have inherited it."""
    return next(each for each in kind.__mro__ if "__call__" in vars(each))


def _selecting(
    own: Callable[[Any, mx.array], mx.array], selections: Mapping[int, _Selection]
) -> Callable[[Any, mx.array], mx.array]:
    @functools.wraps(own)
    def call(block: Any, x: mx.array) -> mx.array:
        selection = selections.get(id(block))  # another model's blocks have this class too
        return own(block, x) if selection is None else _forward(block, x, selection)

    return call


def _refuse_unlike(model: Any, blocks: list[Any]) -> None:
    """Raises InputError if `_forward` without biases is not what the blocks themselves do."""
    x = model.model.embed_tokens(mx.arange(COMPARED_TOKENS)[None])
    x = mx.fast.rms_norm(x, None, 1e-6)  # as large as what a block gets
    for kind, block in {type(block): block for block in blocks}.items():
        own = inspect.unwrap(vars(_owner(kind))["__call__"])  # within another selection too
        none = mx.zeros(block.num_experts)
        ours = _forward(block, x, _Selection(none, none))
        if not mx.array_equal(ours, own(block, x), equal_nan=True).item():
            _refuse(block)


def _selection(biases: routers.LayerBiases) -> _Selection:
    experts = len(biases.logits)
    lifts = _at(biases.pinned, experts, OUTWEIGHS) + _at(biases.banned, experts, -OUTWEIGHS)
    return _Selection(mx.array(biases.logits), lifts)


def _at(places: frozenset[int], length: int, value: float) -> mx.array:
    return mx.array([value if place in places else 0.0 for place in range(length)])


@contextmanager
def _counted(block: Any) -> Iterator[_Counter]:
    counter = _Counter(block.switch_mlp, block.num_experts)
    with _replaced(block, "switch_mlp", counter):
        yield counter


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _integers(counts: mx.array) -> list[int]:
    values: Any = counts.tolist()
    return [int(value) for value in values]
