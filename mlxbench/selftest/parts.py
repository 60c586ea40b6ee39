"""The parts of the engine that differ from device to device, each run once on a small mixture.

A cache that is cut back, a quantised one, sampling with a seed, several sequences at once, batched
replies, changed routers and their log, kernels swapped in: each has a result that is known
beforehand. Whether the numbers are right in the last bit is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlxbench.engines.mlx import MlxLoaded
from mlxbench.errors import MlxbenchError
from mlxbench.lab import discovery, trying
from mlxbench.lab.backends import Backend
from mlxbench.lab.device_checks import decoding
from mlxbench.lab.swapping import Swap
from mlxbench.records import (
    BAN,
    GREEDY,
    Completed,
    ExpertBias,
    Failed,
    Generate,
    Message,
    Options,
    Request,
    Routing,
    Sampler,
    Shape,
    Timed,
    Trial,
)
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.private import foreign

TOPIC = "engine"
TOKENS = 12  # of a trial; from 16 on, random weights may be found to repeat themselves
DRAWN = Sampler(temperature=0.8, top_p=0.95, top_k=20, seed=7)
BANNED = 0
QUESTIONS = ("Name a colour.", "Count to three, please.", "What is a prime number?")
SWAPPED_TOKENS = 2


def trials(loaded: MlxLoaded) -> Iterator[Checked]:
    """Timed trials in all the ways that they can be asked for."""
    greedy = Timed("decode", 40, TOKENS)
    yield _repeats(loaded, "cut-back cache", Timed("decode", 40, TOKENS, depth=300), Options())
    yield _repeats(
        loaded, "sampling by seed", Timed("decode", 40, TOKENS, sampler=DRAWN), Options()
    )
    stepped = loaded.run(Timed("decode", 40, TOKENS, mode="stepped"), Options(), 1)
    yield alike("stepped as pipelined", loaded.run(greedy, Options(), 1), stepped)
    yield works("8-bit KV cache", loaded.run(greedy, Options(kv_bits=8), 1), TOKENS)
    batch = Timed("decode", 40, TOKENS, batch_size=3)
    yield works("three sequences at once", loaded.run(batch, Options(), 1), TOKENS)


def _repeats(loaded: MlxLoaded, name: str, task: Request, options: Options) -> Checked:
    return alike(name, *(loaded.run(task, options, 1) for _ in range(2)))


def alike(name: str, one: Trial, other: Trial) -> Checked:
    """Two trials that must give the same tokens."""
    if isinstance(one, Failed):
        return broken(TOPIC, name, one)
    if isinstance(other, Failed):
        return broken(TOPIC, name, other)
    same = one.tokens == other.tokens
    return Checked(
        TOPIC,
        name,
        same and one.tokens is not None,
        "the same tokens" if same else "other tokens",
        "the same tokens",
        "two trials that have to give the same tokens",
    )


def works(name: str, trial: Trial, tokens: int) -> Checked:
    """A trial that must come to its end, with as many tokens as were asked for."""
    if isinstance(trial, Failed):
        return broken(TOPIC, name, trial)
    return Checked(
        TOPIC,
        name,
        trial.generated_tokens == tokens,
        f"{trial.generated_tokens} tokens",
        f"{tokens} tokens",
        "a trial that has to come to its end",
    )


def broken(topic: str, name: str, trial: Failed) -> Checked:
    """A trial that should not have failed."""
    said = f"{trial.reason}: {foreign(trial.message)}"
    return Checked(topic, name, False, "the trial failed", "a complete trial", said)


def batched(loaded: MlxLoaded) -> Iterator[Checked]:
    """Several chat replies together, and each of them alone."""
    asked = {
        seed: Generate((Message("user", question),), GREEDY, TOKENS)
        for seed, question in enumerate(QUESTIONS)
    }
    replies = dict(loaded.reply_all(asked, Options(), len(asked)))
    yield answered(replies, len(asked))
    alone = {seed: loaded.run(task, Options(), seed) for seed, task in asked.items()}
    same = sum(_tokens(replies.get(seed)) == _tokens(alone[seed]) for seed in asked)
    yield Checked(
        TOPIC,
        "batched as alone",
        None,
        f"{same} of {len(asked)} replies",
        "",
        "replies decoded together that are the same alone; rounding may turn nearly equal tokens",
    )


def answered(replies: dict[int, Trial], asked: int) -> Checked:
    """Every reply of a batch came, and is complete."""
    good = sum(isinstance(reply, Completed) for reply in replies.values())
    faults = [f"{one.reason}: {one.message}" for one in replies.values() if isinstance(one, Failed)]
    return Checked(
        TOPIC,
        "batched replies",
        good == asked,
        f"{good} of {asked} replies",
        "all",
        foreign("; ".join(faults)) or "chat replies decoded together come to their end",
    )


def _tokens(trial: Trial | None) -> object:
    return trial.tokens if isinstance(trial, Completed) else None


def routers(loaded: MlxLoaded, shape: Shape) -> Iterator[Checked]:
    """The log of chosen experts adds up, and a banned expert is never chosen."""
    task = Generate((Message("user", QUESTIONS[0]),), GREEDY, TOKENS)
    free = loaded.route(task, Options(), 0)
    yield adds_up(free, shape)
    banned = Options(routing=Routing(biases=(ExpertBias(None, BANNED, BAN),)))
    yield obeyed(free, loaded.route(task, banned, 0))
    yield works("banned expert", loaded.run(Timed("decode", 40, TOKENS), banned, 1), TOKENS)


Counts = Sequence[Sequence[int] | None]


def adds_up(counts: Counts, shape: Shape) -> Checked:
    """Each layer chose as many experts per token, for the same number of tokens."""
    totals = {sum(layer) for layer in counts if layer is not None}
    top_k = shape.num_experts_per_tok
    shown = " or ".join(f"{total:,}" for total in sorted(totals)) or "no"
    right = len(totals) == 1 and min(totals) > 0 and min(totals) % top_k == 0
    return Checked(
        TOPIC,
        "log of chosen experts",
        right and len(counts) == shape.num_hidden_layers,
        f"{shown} choices in each of {len(counts)} layers",
        f"one multiple of {top_k} in each of {shape.num_hidden_layers} layers",
        "every layer chooses as many experts for each token",
    )


def obeyed(free: Counts, banned: Counts) -> Checked:
    """An expert that was chosen before is not any more once it is banned."""
    before = sum(layer[BANNED] for layer in free if layer is not None)
    after = sum(layer[BANNED] for layer in banned if layer is not None)
    return Checked(
        TOPIC,
        "changed router",
        after == 0 and (before > 0 or None),
        f"{before} choices, {after} when banned",
        "0 when banned",
        "an expert that is banned is never chosen",
    )


def swapped(loaded: MlxLoaded, place: Path, backend: Backend) -> Checked:
    """One experiment in the model: called in every layer for each token, and how tokens agree."""
    name = place.name
    try:
        swap = Swap(discovery.load(place), backend)
        tried = trying.try_out(loaded.model, decoding.prompt(8), [swap], SWAPPED_TOKENS)
    except MlxbenchError as error:
        return Checked(
            TOPIC, f"{name} in a model", False, "refused", "it runs", foreign(str(error))
        )
    return Checked(
        TOPIC,
        f"{name} in a model",
        True,
        f"called {tried.calls[name]} times",
        f"{SWAPPED_TOKENS} tokens × its places",
        f"{tried.agreement:.0%} of {SWAPPED_TOKENS} tokens agree; logits differ by "
        f"{tried.logit_difference:.2g} of the largest",
        {"agreement": tried.agreement, "logit_difference": tried.logit_difference},
    )
