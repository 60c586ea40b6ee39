"""Harness overhead: the rate that `mlxbench decode` would report against a bare MLX loop.

Both run in one process on the same checkpoint and prompt, interleaved in randomised ABBA blocks,
and both count the N-1 intervals between N tokens. A ratio of 0.995 or more means that the harness
costs at most half a percent of a token. A second pair compares two bare loops: the noise floor.

On a noisy machine that interval is wider than half a percent. So the cost is also measured where it
arises: both loops run a model that computes next to nothing, and what the harness takes longer per
token is its whole overhead, as seconds and as a share of the real model's token.

    python -m benchmarks.overhead --pairs 40 --output benchmarks/results/overhead.json
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.generate import generation_stream
from mlx_lm.models.cache import make_prompt_cache

from benchmarks.conditions import conditions
from mlxbench import engines, registry, stats
from mlxbench.cli.targets import Request, resolve
from mlxbench.engines.mlx import MlxLoaded, loop
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.records import GREEDY, Completed, Options, Timed
from mlxbench.text import exact_prompt

PROMPT_TOKENS = 64


def bare_rate(model: Any, prompt: mx.array, n: int) -> float:
    """Decoded tokens per second of the shortest honest loop."""
    cache = make_prompt_cache(model)
    with mx.stream(generation_stream):
        model(prompt[:, :-1], cache=cache)
        mx.eval([layer.state for layer in cache])
        mx.clear_cache()  # as mlx-lm does after a prefill, and so do we
        token = mx.argmax(model(prompt[:, -1:], cache=cache)[:, -1, :], axis=-1)
        token.item()
        start = time.perf_counter()
        for _ in range(n - 1):
            logits = model(token[:, None], cache=cache)[:, -1, :]
            following = mx.argmax(logits - mx.logsumexp(logits, axis=-1, keepdims=True), axis=-1)
            mx.async_eval(following)
            token.item()
            token = following
        token.item()
        return (n - 1) / (time.perf_counter() - start)


def harness_rate(loaded: MlxLoaded, n: int, seed: int) -> float:
    """The rate that mlxbench derives from a trial of its own."""
    trial = loaded.run(Timed("decode", PROMPT_TOKENS, n), Options(), seed)
    assert isinstance(trial, Completed), trial
    return (n - 1) / (trial.stamps[-1] - trial.stamps[0])


class Nothing:
    """A model whose step costs next to nothing, so that only the loop around it counts."""

    layers: tuple[()] = ()

    def __init__(self) -> None:
        self.logits = mx.zeros((1, 1, 8))
        mx.eval(self.logits)

    def make_cache(self) -> list[Any]:
        return []

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        return self.logits + tokens[:, -1:, None]


def host_seconds(n: int, repeats: int) -> dict[str, float | int]:
    """What the harness's loop takes longer per token than the bare one: medians of alternations."""
    model, prompt = Nothing(), mx.array([[1, 2]])
    request = loop.Request(prompt, n, True, 2048, sample_function(GREEDY))
    ours, theirs = [], []
    for _ in range(repeats):
        stamps = loop.run(model, [], request).stamps
        ours.append((stamps[-1] - stamps[0]) / (n - 1))
        theirs.append(1 / bare_rate(model, prompt, n))
    return {
        "harness_s": statistics.median(ours),
        "bare_s": statistics.median(theirs),
        "added_s": statistics.median(ours) - statistics.median(theirs),
        "repeats": repeats,
        "tokens": n,
    }


def compare(
    first: Callable[[int], float], second: Callable[[int], float], pairs: int, source: random.Random
) -> dict[str, float | int]:
    """The ratio of second over first: geometric mean over interleaved pairs, with a t interval."""
    logs: list[float] = []
    for pair in range(pairs):
        if pair % 2 == 0:
            flipped = source.random() < 0.5
        order = (second, first) if flipped ^ bool(pair % 2) else (first, second)
        rates = {function: function(pair) for function in order}
        logs.append(math.log(rates[second] / rates[first]))
    half = stats.t_quantile(0.95, pairs - 1) * float(np.std(logs, ddof=1)) / math.sqrt(pairs)
    centre = math.fsum(logs) / pairs
    return {
        "value": math.exp(centre),
        "low": math.exp(centre - half),
        "high": math.exp(centre + half),
        "pairs": pairs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="tiny-moe")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()

    target = resolve(Request(chosen.model), registry.load())
    loaded = engines.engine("mlx").open(target)
    assert isinstance(loaded, MlxLoaded)
    encode, decode = loaded.tokenizer.encode, loaded.tokenizer.decode
    prompts = [
        mx.array([exact_prompt(encode, decode, PROMPT_TOKENS, seed).tokens])
        for seed in range(chosen.pairs)
    ]
    n, source = chosen.tokens, random.Random(chosen.seed)

    def bare(seed: int) -> float:
        return bare_rate(loaded.model, prompts[seed], n)

    def again(seed: int) -> float:
        return bare_rate(loaded.model, prompts[seed], n)

    def harness(seed: int) -> float:
        return harness_rate(loaded, n, seed)

    for warmup in range(3):
        bare(warmup), harness(warmup)
    result: dict[str, Any] = {
        "benchmark": "overhead",
        "goal": "harness over bare loop >= 0.995",
        **conditions(),
        "model": chosen.model,
        "tokens": n,
        "seed": chosen.seed,
        "harness_over_bare": compare(bare, harness, chosen.pairs, source),
        "bare_over_bare": compare(bare, again, chosen.pairs, source),
        "host": host_seconds(n=500, repeats=40),
        "token_s": 1 / max(bare(0) for _ in range(10)),
    }
    host: dict[str, float] = result["host"]
    result["added_share"] = host["added_s"] / result["token_s"]
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
