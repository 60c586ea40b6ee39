"""What the device does with values that are equal or not a number, beside what the CPU does.

Which of two equal tokens a greedy step takes, and which of two equal experts a router, is for the
device to say. No order is wrong; but replies may differ between machines where orders do, and
kernels that promise mlx's own order have to know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from mlxbench.lab import moe_stages

NAN = float("nan")
EQUAL = [1.0] * 12
LEVELS = [0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 2.0]
MIXED = [0.0, NAN, 1.0, NAN, -1.0]
EXPERTS, CHOSEN, ROWS = 128, 8, 64


@dataclass(frozen=True, slots=True)
class Order:
    """One operation on one row: what came out on this device and on the CPU."""

    operation: str
    row: str
    here: str
    on_cpu: str


def _array(values: list[float], dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.array(values, dtype=dtype)


OPERATIONS: tuple[tuple[str, str, Callable[[], mx.array]], ...] = (
    ("argmax", "all equal", lambda: mx.argmax(_array(EQUAL))),
    ("argmax, bf16", "151,936 equal", lambda: mx.argmax(mx.ones(151_936, mx.bfloat16))),
    ("argmax", "two NaN among five", lambda: mx.argmax(_array(MIXED))),
    ("argsort", "three levels", lambda: mx.argsort(_array(LEVELS))),
    ("argsort", "two NaN among five", lambda: mx.argsort(_array(MIXED))),
    ("sort", "two NaN among five", lambda: mx.sort(_array(MIXED))),
    ("argpartition, top 3", "all equal", lambda: mx.argpartition(_array(EQUAL), -3)[-3:]),
    ("argpartition, top 3", "three levels", lambda: mx.argpartition(_array(LEVELS), -3)[-3:]),
    ("argpartition, top 3", "two NaN among five", lambda: mx.argpartition(_array(MIXED), -3)[-3:]),
)


def orders() -> Iterator[Order]:
    """Every operation on this device and on the CPU."""
    for operation, row, compute in OPERATIONS:
        yield Order(operation, row, _shown(compute), _on_cpu(compute))


def _shown(compute: Callable[[], mx.array]) -> str:
    value = compute().tolist()
    return " ".join(f"{one:g}" for one in value) if isinstance(value, list) else f"{value:g}"


def _on_cpu(compute: Callable[[], mx.array]) -> str:
    with mx.stream(mx.cpu):
        return _shown(compute)


@dataclass(frozen=True, slots=True)
class RouterRule:
    """Of `rows` routed rows full of ties, how many follow the rule as sets, and in their order."""

    rows: int
    same_experts: int
    same_order: int


def router_rule(seed: int = 0) -> RouterRule:
    """mlx-lm's router against the rule that `softmax_topk` promises.

    Slots ascend, and where two experts are equal the higher index stands and wins above the lower.
    """
    random = np.random.default_rng(seed)
    logits = random.integers(0, 4, (ROWS, EXPERTS)).astype(np.float32)  # four levels: many ties
    indices, _ = moe_stages.stock_router(mx.array(logits), CHOSEN, True)
    found = np.array(indices)
    ruled = np.argsort(logits, axis=-1, kind="stable")[:, -CHOSEN:]
    same_set = (np.sort(found, axis=-1) == np.sort(ruled, axis=-1)).all(axis=-1)
    return RouterRule(ROWS, int(same_set.sum()), int((found == ruled).all(axis=-1).sum()))
