"""A kernel in the model, before it is timed: was it really called, and do the tokens agree?

Greedy tokens may differ by right: a kernel sums in another order, and where two tokens are nearly
equal the last bit decides. So the difference of the logits stands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.generate import generation_stream
from mlx_lm.models.cache import make_prompt_cache

from mlxbench.errors import MeasurementError
from mlxbench.lab.swapping import Swap


@dataclass(frozen=True, slots=True)
class Tried:
    """One set of kernels in a model over some greedy tokens.

    `calls` of each kernel, all that were expected; `agreement` is the share of tokens before the
    first that differs from stock's; `logit_difference` the largest until then, relative to the
    largest logit.
    """

    names: tuple[str, ...]
    calls: dict[str, int]
    agreement: float
    logit_difference: float


def try_out(model: Any, prompt: Sequence[int], swaps: Sequence[Swap], tokens: int) -> Tried:
    """Generate with and without the swaps. Raises MeasurementError for one that was not called."""

    def forget_the_prompt() -> None:
        for swap in swaps:
            swap.calls = 0

    stock, stock_logits = _greedy(model, prompt, tokens, lambda: None)
    with ExitStack() as stack:
        for swap in swaps:
            stack.enter_context(swap.install(model))
        ours, our_logits = _greedy(model, prompt, tokens, forget_the_prompt)
    for swap in swaps:
        wanted = swap.places * tokens
        if swap.calls != wanted or not wanted:
            raise MeasurementError(
                f"{swap.found.experiment.name} was called {swap.calls} times, not {wanted} "
                f"({tokens} tokens × {swap.places} places)",
                "let install() patch what the model really calls, and call called() there",
            )
    same = next((i for i, (a, b) in enumerate(zip(stock, ours, strict=True)) if a != b), tokens)
    upto = min(same + 1, tokens)
    scale = max(float(mx.abs(one).max()) for one in stock_logits[:upto])
    pairs = zip(stock_logits[:upto], our_logits[:upto], strict=True)
    difference = max(float(mx.abs(a - b).max()) for a, b in pairs)
    names = tuple(swap.found.experiment.name for swap in swaps)
    calls = {swap.found.experiment.name: swap.calls for swap in swaps}
    return Tried(names, calls, same / tokens, difference / scale if scale else 0.0)


def _greedy(
    model: Any, prompt: Sequence[int], count: int, on_prefilled: Callable[[], None]
) -> tuple[list[int], list[mx.array]]:
    """Greedy tokens and the logits that each was taken from, one token a step."""
    cache = make_prompt_cache(model)
    tokens, kept = [], []
    with mx.stream(generation_stream):
        if len(prompt) > 1:
            model(mx.array([prompt[:-1]]), cache=cache)
            mx.eval([layer.state for layer in cache])
        on_prefilled()
        current = prompt[-1]
        for _ in range(count):
            logits = model(mx.array([[current]]), cache=cache)[0, -1].astype(mx.float32)
            current = int(np.asarray(mx.argmax(logits)))
            tokens.append(current)
            kept.append(logits)
    return tokens, kept
