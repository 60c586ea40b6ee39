"""From a reply to a trial: only if the server did exactly the work that was asked for.

**Counts** come from `usage` alone: an event may hold several tokens or none.

**Stamps** are arrivals on this machine, since just before the request was sent; they hold the
connection, the network and Python on both sides. With t_1 the first text and t_N the end,
`decode = (N-1) / (t_N - t_1)` as everywhere here. Three traps:

- The first text has to be one token. Servers hold back the bytes of an unfinished character, and
  text that might begin `<think>` or `<tool_call>`. Where fewer pieces than tokens came, a first one
  that could have been held back is refused. A space alone is held back too by mlx_lm.server, and
  swallowed: nothing shows that. The rate is then too high by 1/(N-2).
- The last token may have no text: an end of turn, half a character. Where fewer pieces than tokens
  came, the end is the arrival of `finish_reason`, which follows the last token at once.
- A server, or a proxy before it, that holds all text back until the end gives no times at all.

**Native figures**: only llama-server has any, in `timings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mlxbench.engines.openai.events import Reply, mapping
from mlxbench.engines.openai.request import tokens_wanted
from mlxbench.engines.serving import whole_text
from mlxbench.http_client import ServerFault, clean
from mlxbench.http_client.numbers import count
from mlxbench.records import Completed, FinishReason, Generate, Timed

# No single sequence decodes this fast; text that was held back arrives faster.
LEAST_STEP_S = 50e-6
HIGHEST_RATE = 1e9
ENDS: Mapping[str, FinishReason] = {"length": "length", "stop": "stop", "tool_calls": "stop"}


def timed(reply: Reply, began: float, task: Timed) -> Completed:
    """The trial of a prompt and a number of tokens. Raises ServerFault."""
    wanted, generated = tokens_wanted(task), _counted(reply, "completion_tokens")
    reason = _shown(reply.finish)
    if generated < wanted or reply.finish == "stop":
        raise ServerFault(
            "early_stop", f"the reply ended ({reason}) after {generated} of {wanted} tokens"
        )
    if generated != wanted or reply.finish != "length":
        raise ServerFault(
            "wrong_count", f"{generated} tokens came ({reason}), {wanted} were asked for"
        )
    _refuse_other_prompt(reply, task.prompt_tokens)
    _refuse_merged_start(reply, generated)
    trial = _completed(reply, began, generated)
    _refuse_held_back(trial)
    return trial


def chat(reply: Reply, began: float, task: Generate) -> Completed:
    """The trial of a chat, which may end by itself. Raises ServerFault."""
    generated = _counted(reply, "completion_tokens")
    if not 0 < generated <= task.token_budget:
        budget = f"{task.token_budget} were allowed"
        raise ServerFault("wrong_count", f"{generated} tokens came, {budget}")
    return _completed(reply, began, generated)


def _completed(reply: Reply, began: float, generated: int) -> Completed:
    if reply.finish not in ENDS:
        raise ServerFault(
            "bad_reply", f"the reply ended for a reason unknown here: {_shown(reply.finish)}"
        )
    if generated > 1 and not reply.pieces:
        raise ServerFault("bad_reply", f"{generated} tokens without any text")
    prompt = _counted(reply, "prompt_tokens")
    return Completed(
        clock="host_arrival",
        stamps=tuple(at - began for at in _arrivals(reply, generated)),
        duration_s=reply.ended - began,
        prompt_tokens=prompt,
        generated_tokens=generated,
        batch_size=1,
        finish_reason=ENDS[reply.finish],
        text=_text(reply),
        native=_native(reply, prompt, generated),
    )


def _arrivals(reply: Reply, generated: int) -> list[float]:
    """When text arrived; the last one is when the last token had.

    As many as tokens only where each is of one token.
    """
    arrivals = [piece.at for piece in reply.pieces]
    if len(arrivals) < generated:
        return [*(arrivals[:-1] or arrivals), reply.finished]
    return arrivals


def _text(reply: Reply) -> str:
    """What was said, thoughts first."""
    thinking = "".join(piece.thinking for piece in reply.pieces)
    answer = "".join(piece.answer for piece in reply.pieces)
    return whole_text(thinking, answer)


def _native(reply: Reply, prompt: int, generated: int) -> dict[str, float]:
    """What the server counted, and its own rates where it has any."""
    figures = {
        "eval_count": float(generated),
        "prompt_eval_count": float(prompt),
        "pieces": float(len(reply.pieces)),
    }
    rates: dict[Literal["prefill_tps", "decode_tps"], str] = {
        "prefill_tps": "prompt_per_second",
        "decode_tps": "predicted_per_second",
    }
    for name, key in rates.items():
        rate = _rate(reply.timings, key)
        if rate is not None and (name == "prefill_tps" or generated > 1):
            figures[name] = rate
    return figures


def _counted(reply: Reply, key: str) -> int:
    """A count of `usage`, which must be there."""
    found = count(reply.usage, key)
    if found is None:
        raise ServerFault("bad_reply", f"the server does not count its tokens (no usage.{key})")
    return found


def _rate(timings: Mapping[str, Any], key: str) -> float | None:
    """Tokens per second; `None` when absent or 0. Raises ServerFault for what is no rate."""
    value = timings.get(key)
    if value is None or value == 0:
        return None
    if type(value) not in (int, float) or not 0 < value < HIGHEST_RATE:
        raise ServerFault("bad_reply", f"{key} is {_shown(repr(value))}, which is no rate")
    return float(value)


def _shown(said: str) -> str:
    return clean(said)[:60]


def _refuse_other_prompt(reply: Reply, wanted: int) -> None:
    """The prompt must have been processed whole, and as many tokens as were sent."""
    found = _counted(reply, "prompt_tokens")
    if found != wanted:
        raise ServerFault(
            "wrong_count", f"the server counts {found} prompt tokens, {wanted} were sent"
        )
    details = mapping(reply.usage, "prompt_tokens_details")
    cached = count(details, "cached_tokens") or count(reply.timings, "cache_n")
    if cached:
        raise ServerFault("cache_hit", f"{cached} of {wanted} prompt tokens came from a cache")


def _refuse_merged_start(reply: Reply, generated: int) -> None:
    """Without knowing how many tokens the first piece holds, the first stamp means nothing."""
    pieces = reply.pieces
    if len(pieces) > generated:
        raise ServerFault("wrong_count", f"{len(pieces)} pieces of text for {generated} tokens")
    if not pieces or len(pieces) == generated:
        return
    if len(pieces) == 1:
        raise ServerFault("bad_reply", f"{generated} tokens came in one piece, without times")
    first = pieces[0].text
    if not first.isascii() or (first.startswith("<") and len(first) > 1):
        raise ServerFault("bad_reply", "the first piece of text may hold several tokens")


def _refuse_held_back(trial: Completed) -> None:
    steps = trial.generated_tokens - 1
    if trial.stamps[-1] - trial.stamps[0] < steps * LEAST_STEP_S:
        raise ServerFault(
            "bad_reply", f"{trial.generated_tokens} tokens came at once: they were held back"
        )
