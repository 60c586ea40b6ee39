"""The mixture block of a loaded mlx-lm Qwen-3, taken apart so that kernels can stand in for parts.

`Qwen3MoeSparseMoeBlock` does in one call what experiments want to replace bit by bit:

    logits ──router──▶ indices, scores
    x, indices, scores ──experts──▶ y
                          └ gate_up ▶ activation ▶ project(down), then the sum weighted by scores
                            └ project(up), project(gate)

An experiment names for each block what it replaces; the rest is done by mlx-lm's own operations in
mlx-lm's own order, so that with nothing replaced not one bit changes. Stages compose: a router
kernel with an expert kernel, a joined `gate_up` with another way to `project`. What can't hold at
once is refused: two routers, or an `experts` beside a `gate_up` that it would leave no call.

Traps:
- Python looks `__call__` up in the class. So while something is installed, the block is of a class
  of ours, derived from mlx-lm's; its parameters, and other loaded models, are left alone.
- Only decode steps are staged: one token per sequence, and so few that mlx-lm does not sort them by
  expert (its `SwitchGLU` does from 64 indices on). All other calls are mlx-lm's own.
- Somebody else may have changed the block before (a selection bias of `engines.mlx.routing` does),
  or mlx-lm may have. A block whose output the stock stages do not repeat bit for bit is refused.
- Whoever puts something else in the place of `switch_mlp` meanwhile, as the log of chosen experts
  does, gets mlx-lm's own call: stages that hold that block's weights would pass it by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import mlx.core as mx
from mlx_lm.models.qwen3_moe import Qwen3MoeSparseMoeBlock
from mlx_lm.models.switch_layers import (
    QuantizedSwitchLinear,
    SwiGLU,
    SwitchGLU,
    SwitchLinear,
)

from mlxbench.errors import InputError

Router = Callable[[mx.array], tuple[mx.array, mx.array]]
Experts = Callable[[mx.array, mx.array, mx.array], mx.array]
Project = Callable[[Any, mx.array, mx.array], mx.array]
GateUp = Callable[[mx.array, mx.array, Project], tuple[mx.array, mx.array]]

SORTED_FROM = 64  # indices: where mlx-lm's SwitchGLU begins to sort them by expert
INSTALLED = "installed_stages"


@dataclass(frozen=True, slots=True)
class Stages:
    """What is replaced in one block; shapes are [batch, 1, …] throughout, `k` experts per token.

    - `router`: logits [.., E] → indices (uint32) and scores, both [.., k], of the logits' type.
    - `experts`: x [.., hidden], indices, scores → y [.., hidden].
    - `gate_up`: x [.., 1, 1, hidden], indices, the way to project → up, gate [.., k, 1, F].
    - `project`: a switch linear of mlx-lm, x, indices → its product [.., k, 1, out].
    """

    router: Router | None = None
    experts: Experts | None = None
    gate_up: GateUp | None = None
    project: Project | None = None


@contextmanager
def replaced(model: Any, make: Callable[[Any], Stages]) -> Iterator[int]:
    """Install in each mixture block what `make(block)` names, and restore all blocks afterwards.

    Yields how many blocks there are. Raises InputError for a model without blocks that are known.
    """
    blocks = _blocks(model)
    _refuse_unlike(model, blocks)
    with ExitStack() as stack:
        for block in blocks:
            stack.enter_context(_staged(block, make(block)))
        yield len(blocks)


def stock_experts(switch: Any, x: mx.array, indices: mx.array, stages: Stages) -> mx.array:
    """Each chosen expert's output [.., k, hidden], as `SwitchGLU` computes it when unsorted."""
    project = stages.project or stock_project
    x = mx.expand_dims(x, (-2, -3))
    if stages.gate_up is None:
        up = project(switch.up_proj, x, indices)
        gate = project(switch.gate_proj, x, indices)
    else:
        up, gate = stages.gate_up(x, indices, project)
    return project(switch.down_proj, switch.activation(up, gate), indices).squeeze(-2)


def stock_router(logits: mx.array, top_k: int, renormalise: bool) -> tuple[mx.array, mx.array]:
    """Indices and scores [.., k] of logits [.., E]."""
    gates = mx.softmax(logits, axis=-1, precise=True)
    indices = mx.stop_gradient(mx.argpartition(gates, kth=-top_k, axis=-1)[..., -top_k:])
    scores = mx.take_along_axis(gates, indices, axis=-1)
    if renormalise:
        scores /= mx.sum(scores, axis=-1, keepdims=True)
    return indices, scores


def stock_project(linear: Any, x: mx.array, indices: mx.array) -> mx.array:
    """A switch linear of mlx-lm, called as its `SwitchGLU` calls it when unsorted."""
    product: mx.array = linear(x, indices, sorted_indices=False)
    return product


def weighted_sum(y: mx.array, scores: mx.array) -> mx.array:
    """The experts' outputs [.., k, hidden] by their scores [.., k] → [.., hidden]."""
    return (y * scores[..., None]).sum(axis=-2).astype(y.dtype)


@dataclass(frozen=True, slots=True)
class _Installed:
    """What a block carries while stages are installed, and whose weights they may hold."""

    stages: Stages
    switch: Any


class _StagedBlock(Qwen3MoeSparseMoeBlock):
    """A block in decode steps done by stages, else as mlx-lm does it."""

    def __call__(self, x: mx.array) -> mx.array:
        installed: _Installed = vars(self)[INSTALLED]
        own = self.switch_mlp is not installed.switch
        if own or x.shape[-2] != 1 or x.shape[0] * self.top_k >= SORTED_FROM:
            output: mx.array = super().__call__(x)
            return output
        return _forward(self, x, installed.stages)


def _forward(block: Any, x: mx.array, stages: Stages) -> mx.array:
    """A block's output [B, 1, hidden]; what `stages` leave open is as in mlx-lm's qwen3_moe."""
    logits = block.gate(x)
    if stages.router is None:
        indices, scores = stock_router(logits, block.top_k, block.norm_topk_prob)
    else:
        indices, scores = stages.router(logits)
    if stages.experts is not None:
        return stages.experts(x, indices, scores)
    return weighted_sum(stock_experts(block.switch_mlp, x, indices, stages), scores)


@contextmanager
def _staged(block: Any, stages: Stages) -> Iterator[None]:
    kind, before = type(block), vars(block).get(INSTALLED)
    merged = _merged(Stages() if before is None else before.stages, stages)
    vars(block)[INSTALLED] = _Installed(merged, block.switch_mlp)
    block.__class__ = _StagedBlock
    try:
        yield
    finally:
        block.__class__ = kind
        if before is None:
            del vars(block)[INSTALLED]
        else:
            vars(block)[INSTALLED] = before


def _merged(before: Stages, after: Stages) -> Stages:
    """Both at once. Raises InputError where one would not be called."""
    held = {each.name: getattr(before, each.name) for each in fields(Stages)}
    added = {each.name: getattr(after, each.name) for each in fields(Stages)}
    twice = [name for name in held if held[name] and added[name]]
    both = {name for name in held if held[name] or added[name]}
    if twice or ("experts" in both and both & {"gate_up", "project"}):
        place = twice[0] if twice else "experts"
        raise InputError(
            f"two kernel experiments replace the {place} of the mixture's blocks",
            "swap in one of them at a time",
        )
    return Stages(**{name: added[name] or held[name] for name in held})


def _blocks(model: Any) -> list[Any]:
    """The mixture blocks of a model, all of a kind that is known. Raises InputError."""
    blocks = [getattr(layer, "mlp", layer) for layer in model.layers]
    mixtures = [block for block in blocks if not _dense(block)]
    for block in mixtures:
        if not _known(block):
            _refuse(block)
    if not mixtures:
        raise InputError("the model has no experts", "give a Qwen-3 mixture, such as qwen3-30b-a3b")
    return mixtures


def _dense(block: Any) -> bool:
    """Whether it is the feed-forward part of a layer without experts, in any family of mlx-lm."""
    return hasattr(block, "gate_proj") and not hasattr(block, "gate")


def _known(block: Any) -> bool:
    if type(block) not in (Qwen3MoeSparseMoeBlock, _StagedBlock):
        return False
    switch = block.switch_mlp
    linears = [getattr(switch, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    return (
        block.sharding_group is None
        and type(switch) is SwitchGLU
        and type(switch.activation) is SwiGLU
        and all(type(each) in (SwitchLinear, QuantizedSwitchLinear) for each in linears)
    )


def _refuse(block: Any) -> NoReturn:
    raise InputError(
        f"mlx-lm's {type(block).__name__} is no mixture block that kernels are known to fit",
        "leave the kernels out, or use an unsharded Qwen-3 mixture without other changes",
    )


def _refuse_unlike(model: Any, blocks: list[Any]) -> None:
    """Raises InputError for blocks that the stock stages do not repeat bit for bit."""
    fresh = [block for block in blocks if type(block) is Qwen3MoeSparseMoeBlock]
    x = mx.fast.rms_norm(model.model.embed_tokens(mx.zeros((1, 1), mx.int32)), None, 1e-6)
    alike = [
        mx.array_equal(_forward(block, x, Stages()), block(x), equal_nan=True) for block in fresh
    ]
    mx.eval(alike)
    for block, same in zip(fresh, alike, strict=True):
        if not same.item():
            _refuse(block)
