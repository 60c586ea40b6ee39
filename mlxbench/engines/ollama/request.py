"""What Ollama is asked for: the same work as every other engine, by everything it lets one set.

A timed request is raw (no template), greedy, without penalties or stop strings, with the model kept
loaded, and with context and batch sizes that stay the same from trial to trial, for another size
reloads the model. `truncate` and `shift` make newer versions refuse what older ones cut silently.
"""

from __future__ import annotations

from typing import Any

from mlxbench.records import Generate, Message, Sampler, Timed

FOR_EVER = -1  # as a number: the string "-1" is an error
CONTEXT_SLACK = 16
CONTEXT_STEP = 2048
BATCH = 512  # Ollama's default, fixed so that no version's own choice differs


def context_needed(task: Timed | Generate, prompt_tokens: int) -> int:
    """A context that holds prompt and reply, in steps, so that few tasks reload the model."""
    generated = task.generation_tokens if isinstance(task, Timed) else task.token_budget
    tokens = prompt_tokens + generated + CONTEXT_SLACK
    return -(-tokens // CONTEXT_STEP) * CONTEXT_STEP


def load(model: str, context: int) -> dict[str, Any]:
    """A request that only loads, for /api/generate."""
    return {
        "model": model,
        "prompt": "",
        "stream": False,
        "keep_alive": FOR_EVER,
        "options": _fixed(context),
    }


def timed(model: str, prompt: str, task: Timed, seed: int, context: int) -> dict[str, Any]:
    """A timed request for /api/generate."""
    generated = 1 if task.kind == "prefill" else task.generation_tokens
    return {
        "model": model,
        "prompt": prompt,
        "raw": True,
        "think": False,
        "stream": True,
        "truncate": False,
        "shift": False,
        "keep_alive": FOR_EVER,
        "options": {
            **_fixed(context),
            **_sampling(task.sampler, task.sampler.seed + seed),
            "num_predict": generated,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop": [],
        },
    }


def chat(
    model: str, messages: list[Message], task: Generate, seed: int, context: int
) -> dict[str, Any]:
    """A chat request for /api/chat, through the model's own template."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": one.role, "content": one.content} for one in messages],
        "stream": True,
        "keep_alive": FOR_EVER,
        "options": {
            **_fixed(context),
            **_sampling(task.sampler, task.sampler.seed + seed),
            "num_predict": task.token_budget,
        },
    }
    return body if task.thinking is None else {**body, "think": task.thinking}


def _fixed(context: int) -> dict[str, Any]:
    return {"num_ctx": context, "num_batch": BATCH}


def _sampling(sampler: Sampler, seed: int) -> dict[str, Any]:
    """Greedy twice over: versions differ in what temperature 0 alone means."""
    greedy = sampler.greedy
    return {
        "temperature": sampler.temperature,
        "seed": seed,
        "top_k": 1 if greedy else sampler.top_k,
        "top_p": 1.0 if greedy else sampler.top_p,
        "min_p": 0.0,
    }
