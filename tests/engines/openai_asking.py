"""Asks a double for a trial through the engine, and says what became of it."""

from __future__ import annotations

from pathlib import Path

from mlxbench.engines.openai import OpenAILoaded
from mlxbench.http_client import Client, Limits, parse_address
from mlxbench.records import (
    GREEDY,
    Completed,
    Failed,
    Generate,
    Message,
    Options,
    Request,
    Target,
    Timed,
    Trial,
)
from tests.engines.openai_double import Answer, Double, double, event, paced, piece, stream, usage

P, N = 20, 4
REQUEST = Timed("request", prompt_tokens=P, generation_tokens=N)
CHAT = Generate((Message("user", "Hello"),), GREEDY, token_budget=N)
WORDS = (" a", " b", " c", " d")
GOOD = stream(*WORDS, prompt=P)
LIMITS = Limits(total_s=0.8, idle_s=0.3, line_bytes=20_000, body_bytes=50_000)
COUNTS = event({"choices": [], "usage": usage(P, N)})
END = piece("", "length")
RATES = {"cache_n": 0, "prompt_per_second": 512.5, "predicted_per_second": 40.25}


def loaded(server: Double, tokenizer: Path | None) -> OpenAILoaded:
    target = Target("openai", "m", server.url, tokenizer=str(tokenizer) if tokenizer else None)
    client = Client(parse_address(server.url, 8080, allow_remote=False))
    return OpenAILoaded(target, client, None, LIMITS)


def outcome(answer: Answer, tokenizer: Path, task: Request = REQUEST) -> Trial:
    with double(answer) as server:
        return loaded(server, tokenizer).run(task, Options(), seed=1)


def failure(answer: Answer, tokenizer: Path, task: Request = REQUEST) -> tuple[str, str]:
    trial = outcome(answer, tokenizer, task)
    assert isinstance(trial, Failed), trial
    assert "\n" not in trial.message
    return trial.reason, trial.message


def completed(answer: Answer, tokenizer: Path, task: Request = REQUEST) -> Completed:
    trial = outcome(answer, tokenizer, task)
    assert isinstance(trial, Completed), trial
    return trial


def ended(*events: bytes) -> Answer:
    """All pieces, then these events."""
    return paced(*map(piece, WORDS), *events)
