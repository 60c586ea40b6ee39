"""Do MLX and Ollama say the same on identical weights, and if not, is the difference arithmetic?

    python -m benchmarks.ollama_agreement --url 127.0.0.1:11434 \\
        --model tiny-dense=tiny-dense-q41 --output benchmarks/results/ollama_agreement.json

Each model was exported with `mlxbench models export-gguf` and created on each server. Both sides
decode the same prompts greedily.

Identical weights are not identical arithmetic: llama.cpp's CPU code rounds activations to 8 bits.
So wherever the two part, MLX's margin between its two best tokens is compared with the **logit
noise**: by how much the two sides' differences between the same two tokens' log-probabilities
differ after the same text. For that, MLX is made to read Ollama's whole reply.
Ollama tells log-probabilities since 0.12; for an older one the noise of a newer stands in.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

from benchmarks.conditions import conditions
from mlxbench import registry
from mlxbench.cli.targets import Request, resolve
from mlxbench.engines.ollama import request
from mlxbench.http_client import GENERATION, Client, parse_address
from mlxbench.records import Timed
from mlxbench.text import exact_prompt
from mlxbench.tokenizer import Tokenizer

TOP = 20
CONTEXT = 2048
UNPAIRED = "�"

Rows = np.ndarray[Any, np.dtype[np.float32]]
Forced = Callable[[list[int]], Rows]


@dataclass(frozen=True, slots=True)
class Greedy:
    """MLX's greedy tokens and the log-probabilities [N, V] that led to each."""

    tokens: list[int]
    log_probabilities: Rows


@dataclass(frozen=True, slots=True)
class Reply:
    """Ollama's pieces of text, the log-probabilities of each token, and the last message."""

    pieces: list[str]
    told: list[dict[str, Any]]
    done: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt: how many tokens agree, the margin where they part, and the noise before."""

    agreed: int
    tokens: int
    margin: float | None
    noise: list[float]


def greedy(model: Any, prompt: tuple[int, ...], count: int) -> Greedy:
    """Decode one token after another, keeping what each was chosen from."""
    cache, inputs = make_prompt_cache(model), mx.array([prompt])
    tokens, rows = [], []
    for _ in range(count):
        logits = model(inputs, cache=cache)[0, -1].astype(mx.float32)
        row = logits - mx.logsumexp(logits)
        token = int(np.argmax(np.array(row)))
        tokens.append(token)
        rows.append(np.array(row))
        inputs = mx.array([[token]])
    return Greedy(tokens, np.stack(rows))


def reading(model: Any, prompt: tuple[int, ...], tokens: list[int]) -> Rows:
    """MLX's log-probabilities [N, V] before each of `tokens`, were they its own choice."""
    logits = model(mx.array([[*prompt, *tokens[:-1]]]))[0, len(prompt) - 1 :].astype(mx.float32)
    return np.array(logits - mx.logsumexp(logits, axis=-1, keepdims=True))


def ollama(client: Client, tag: str, prompt: str, count: int) -> Reply:
    """Ollama's greedy reply to the same prompt, with log-probabilities if it can."""
    body = request.timed(tag, prompt, Timed("request", 1, count), 0, CONTEXT)
    body |= {"logprobs": True, "top_logprobs": TOP}
    with client.stream("/api/generate", body, GENERATION) as lines:
        messages = [json.loads(line.content) for line in lines]
    pieces = [message["response"] for message in messages]
    told = [one for message in messages for one in message.get("logprobs") or ()]
    return Reply(pieces, told, messages[-1])


def pair(
    ours: Greedy, reply: Reply, tokenizer: Tokenizer, ids: dict[bytes, int], forced: Forced
) -> Pair:
    """Compare the two replies to one prompt; `forced` makes MLX read other tokens after it."""
    agreed = agreeing(ours.tokens, reply.pieces, tokenizer)
    noise: list[float] = []
    if len(reply.told) == reply.done["eval_count"]:
        rows = forced([ids[bytes(one["bytes"])] for one in reply.told])
        told_rows = zip(rows, reply.told, strict=True)
        noise = [value for row, told in told_rows for value in step_noise(row, told, ids)]
    margin = None
    if agreed < min(len(ours.tokens), reply.done["eval_count"]):
        second, best = np.sort(ours.log_probabilities[agreed])[-2:]
        margin = float(best - second)
    return Pair(agreed, len(ours.tokens), margin, noise)


def agreeing(tokens: list[int], pieces: list[str], tokenizer: Tokenizer) -> int:
    """How many tokens the two replies begin with in common.

    The texts must agree and a piece must end where a token does: one token may begin another.
    """
    text, ends = "".join(pieces), {len("".join(pieces[: i + 1])) for i in range(len(pieces))}
    for agreed in range(len(tokens), 0, -1):
        ours = tokenizer.decode(tokens[:agreed])
        if len(ours) in ends and text.startswith(ours):
            return agreed
    return 0


def step_noise(ours: Rows, told: dict[str, Any], ids: dict[bytes, int]) -> list[float]:
    """|(a - b) here - (a - b) there| for the best token and each other one that Ollama tells."""
    told_of = ((bytes(one.get("bytes", ())), one["logprob"]) for one in told["top_logprobs"])
    found = [(ids[piece], float(value)) for piece, value in told_of if piece in ids]
    if len(found) < 2:
        return []
    (best, there), *others = found
    return [abs(float(ours[best] - ours[other]) - (there - value)) for other, value in others]


def token_ids(tokenizer: Tokenizer, count: int) -> dict[bytes, int]:
    """The id of each token that is whole text, by its bytes."""
    pieces = ((tokenizer.decode([token]).encode(), token) for token in range(count))
    return {piece: token for piece, token in pieces if UNPAIRED.encode() not in piece}


def row(client: Client, named: str, prompts: int, sizes: tuple[int, int]) -> dict[str, Any]:
    """One model on one server: every prompt, and what follows."""
    name, _, tag = named.partition("=")
    target = resolve(Request(name, synthetic=True), registry.load())
    model, config = load_model(Path(target.location))
    tokenizer = Tokenizer(Path(target.location))
    ids = token_ids(tokenizer, config["vocab_size"])
    pairs = []
    for seed in range(prompts):
        prompt = exact_prompt(tokenizer.encode, tokenizer.decode, sizes[0], seed)
        ours = greedy(model, prompt.tokens, sizes[1])
        reply = ollama(client, tag, prompt.text, sizes[1])
        assert reply.done["prompt_eval_count"] == sizes[0], reply.done
        forced = partial(reading, model, prompt.tokens)
        pairs.append(pair(ours, reply, tokenizer, ids, forced))
    return {"model": name, "version": client.get("/api/version")["version"], **summary(pairs)}


def summary(pairs: list[Pair]) -> dict[str, Any]:
    """Agreement, margins where the sides parted, and the noise's size."""
    noise = [value for one in pairs for value in one.noise]
    margins = [one.margin for one in pairs if one.margin is not None]
    return {
        "prompts": len(pairs),
        "tokens": pairs[0].tokens,
        "identical": sum(one.agreed == one.tokens for one in pairs),
        "agreed": [one.agreed for one in pairs],
        "margins": margins,
        "noise": {
            "n": len(noise),
            "median": float(np.median(noise)),
            "p99": float(np.quantile(noise, 0.99)),
            "max": max(noise),
        }
        if noise
        else None,
    }


def servers(urls: list[str]) -> Iterator[Client]:
    for url in urls:
        yield Client(parse_address(url, 11434, allow_remote=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=TAG")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    sizes = (chosen.prompt_tokens, chosen.tokens)
    rows = [
        row(client, named, chosen.prompts, sizes)
        for client in servers(chosen.url)
        for named in chosen.model
    ]
    found = {"benchmark": "ollama_agreement", **conditions(), "rows": rows}
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
