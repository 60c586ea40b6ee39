"""What an OpenAI-compatible server is asked for: the same work as every other engine.

A timed request is a raw prompt for /v1/completions, greedy, of N tokens. Beyond the common fields
it has two that servers know or pass over:

- `ignore_eos` goes on after the model would have stopped (vLLM and llama-server; the others end
  early, which fails the trial). `logit_bias` against the end token would reach mlx_lm.server too,
  but it is an operation more in each step, so what is timed would no longer be what people run.
- `cache_salt` keeps vLLM's prefix cache from serving a prompt again: it does not tell of hits
  unless it was started to. It is new for each request.

A `seed` is always sent. mlx_lm.server then generates with `stream_generate`, one request at a time,
as its own command line does; without it, through its batching.

Where a sampler is not greedy, all of it is spelled out: servers have defaults of their own, and
vLLM takes them from the model's `generation_config.json`.
"""

from __future__ import annotations

import secrets
from typing import Any

from mlxbench.records import Generate, Message, Sampler, Timed


def tokens_wanted(task: Timed) -> int:
    """A prefill needs one token, whose arrival ends it."""
    return 1 if task.kind == "prefill" else task.generation_tokens


def timed(model: str, prompt: str, task: Timed, seed: int) -> dict[str, Any]:
    """A timed request for /v1/completions."""
    return {
        "model": model,
        "prompt": prompt,
        **_streamed(tokens_wanted(task)),
        **_sampling(task.sampler, seed),
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "ignore_eos": True,
        "cache_salt": secrets.token_hex(8),
    }


def chat(model: str, messages: list[Message], task: Generate, seed: int) -> dict[str, Any]:
    """A chat request for /v1/chat/completions, through the model's own template."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": one.role, "content": one.content} for one in messages],
        **_streamed(task.token_budget),
        **_sampling(task.sampler, seed),
    }
    if task.thinking is not None:
        body["chat_template_kwargs"] = {"enable_thinking": task.thinking}
    return body


def _streamed(tokens: int) -> dict[str, Any]:
    return {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": tokens}


def _sampling(sampler: Sampler, seed: int) -> dict[str, Any]:
    common = {"temperature": sampler.temperature, "seed": sampler.seed + seed}
    if sampler.greedy:
        return {**common, "top_p": 1.0}
    return {**common, "top_p": sampler.top_p, "top_k": sampler.top_k, "min_p": 0.0}
