"""From a reply to a trial: only if the server did exactly the work that was asked for.

**Common stamps.** Ollama's stamps are on its own clock. The reply began `total_duration` before the
last message was created, so each piece's time since then is known without this machine's clock, and
network and Python stay outside. With t_1 the first piece and t_N the last,
`decode = (N-1) / (t_N - t_1)` as everywhere here. Bytes of an unfinished character are held back,
and dropped where none comes of them, so with fewer pieces than tokens two things need care: the
last token may have no piece, so the last message, which follows it at once, stands for it; and the
first piece must be the first token. It is not if it is no ASCII, or comes later than the server's
own `eval_duration` before the end allows.

**Native figures** are kept as the server gave them, by its own rule (`counting`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from mlxbench.engines.ollama.reply import Reply
from mlxbench.engines.serving import whole_text
from mlxbench.http_client import ServerFault, clean
from mlxbench.http_client.numbers import count, nanoseconds, text
from mlxbench.records import Completed, Generate, Timed

# The server's clock can be set while it runs. Its span and ours differ by what lies between them.
SPAN_TOLERANCE_S = 0.25
LATE_STEPS = 0.6  # of a step, by which a first piece may come after the first token
RELOAD_S = 0.5  # a model that is loaded takes some milliseconds to "load"
CLOCK_GRAIN_S = 1e-5  # Python reads times to the microsecond
SPAN_TOLERANCE = 0.1


def timed(reply: Reply, task: Timed) -> Completed:
    """The trial of a prompt and a number of tokens. Raises ServerFault."""
    wanted = 1 if task.kind == "prefill" else task.generation_tokens
    generated = _count(reply.done, "eval_count")
    reason = clean(text(reply.done, "done_reason")) or "no reason given"
    came = f"{generated} of {wanted} tokens came ({reason})"
    if generated < wanted and reason == "length":
        raise ServerFault("context_shift", f"{came}: the context was full")
    if generated < wanted or reason == "stop":
        raise ServerFault("early_stop", f"{came}: the model ended its reply")
    if generated != wanted or reason != "length":
        raise ServerFault("wrong_count", came)
    if (nanoseconds(reply.done, "load_duration") or 0.0) > RELOAD_S:
        raise ServerFault("engine_error", "the server loaded the model again during the trial")
    _refuse_other_prompt(reply.done, task.prompt_tokens)
    _refuse_merged_start(reply, generated)
    return _completed(reply, task.prompt_tokens, generated, "length")


def chat(reply: Reply, task: Generate) -> Completed:
    """The trial of a chat, which may end by itself. Raises ServerFault."""
    generated = _count(reply.done, "eval_count")
    if not 0 < generated <= task.token_budget:
        budget = f"{task.token_budget} were allowed"
        raise ServerFault("wrong_count", f"{generated} tokens came, {budget}")
    prompt = _count(reply.done, "prompt_eval_count")
    finish = "length" if reply.done.get("done_reason") == "length" else "stop"
    return _completed(reply, prompt, generated, finish)


def _completed(reply: Reply, prompt: int, generated: int, finish: Any) -> Completed:
    if not reply.pieces:
        raise ServerFault("bad_reply", "a reply without text")
    total_s = _seconds(reply.done, "total_duration")
    started = reply.created - total_s
    stamps = tuple(piece.created - started for piece in reply.pieces)
    if 1 < len(stamps) < generated:
        stamps = (*stamps[:-1], total_s)
    _refuse_odd_clock(reply, (*stamps, total_s))
    return Completed(
        clock="server",
        stamps=stamps,
        duration_s=total_s,
        prompt_tokens=prompt,
        generated_tokens=generated,
        batch_size=1,
        finish_reason=finish,
        text=_text(reply),
        native=_native(reply, prompt, generated, total_s),
    )


def _text(reply: Reply) -> str:
    """What was said, thoughts first."""
    thinking = "".join(piece.thinking for piece in reply.pieces)
    answer = "".join(piece.answer for piece in reply.pieces)
    return whole_text(thinking, answer)


def _native(reply: Reply, prompt: int, generated: int, total_s: float) -> dict[str, float]:
    """The server's figures in seconds and tokens, and its two rates."""
    done = reply.done
    prompt_s = _seconds(done, "prompt_eval_duration")
    decode_s = nanoseconds(done, "eval_duration") or 0.0
    if generated > 1 and decode_s == 0:
        raise ServerFault("bad_reply", f"eval_duration is 0 for {generated} tokens")
    if max(prompt_s, decode_s) > total_s:
        raise ServerFault("bad_reply", "a part of the reply took longer than all of it")
    figures = {
        "eval_count": float(generated),
        "prompt_eval_count": float(prompt),
        "eval_s": decode_s,
        "prompt_eval_s": prompt_s,
        "load_s": nanoseconds(done, "load_duration") or 0.0,
        "total_s": total_s,
        "pieces": float(len(reply.pieces)),
        "prefill_tps": prompt / prompt_s,
    }
    return figures | ({"decode_tps": generated / decode_s} if generated > 1 else {})


def _refuse_other_prompt(done: Mapping[str, Any], wanted: int) -> None:
    """The prompt must have been processed whole, and as many tokens as were sent."""
    found = _count(done, "prompt_eval_count")
    if found != wanted:
        raise ServerFault(
            "wrong_count", f"the server counts {found} prompt tokens, {wanted} were sent"
        )
    cached = count(done, "prompt_eval_cached_count")
    if cached:
        raise ServerFault("cache_hit", f"{cached} of {wanted} prompt tokens came from a cache")


def _refuse_merged_start(reply: Reply, generated: int) -> None:
    """Without knowing how many tokens the first piece holds, the first stamp means nothing."""
    pieces = reply.pieces
    if generated > 1 and len(pieces) == 1:
        raise ServerFault("bad_reply", f"{generated} tokens came in one piece, without times")
    if len(pieces) > generated:
        raise ServerFault("wrong_count", f"{len(pieces)} pieces of text for {generated} tokens")
    if not pieces or len(pieces) == generated:
        return
    if not pieces[0].text.isascii():
        raise ServerFault("bad_reply", "the first piece of text may hold several tokens")
    decoding_s = nanoseconds(reply.done, "eval_duration") or 0.0
    late_s = decoding_s - (reply.created - pieces[0].created)
    if late_s > LATE_STEPS * decoding_s / (generated - 1):
        raise ServerFault("bad_reply", "the first token had no piece of text of its own")


def _refuse_odd_clock(reply: Reply, stamps: tuple[float, ...]) -> None:
    if stamps[0] < 0 or any(b < a - CLOCK_GRAIN_S for a, b in itertools.pairwise(stamps)):
        raise ServerFault("bad_reply", "the server's times run backwards")
    server_s = stamps[-1] - stamps[0]
    ours_s = reply.arrived - reply.pieces[0].arrived
    if abs(server_s - ours_s) > max(SPAN_TOLERANCE_S, SPAN_TOLERANCE * ours_s):
        raise ServerFault(
            "bad_reply", f"{server_s:.2f} s by the server's times arrived within {ours_s:.2f} s"
        )


def _count(done: Mapping[str, Any], key: str) -> int:
    """A count that must be there: Ollama omits zeros, of which no trial is made."""
    found = count(done, key)
    if not found:
        raise ServerFault("bad_reply", f"the last message has no {key}")
    return found


def _seconds(done: Mapping[str, Any], key: str) -> float:
    """A duration that must be there and positive."""
    value = nanoseconds(done, key)
    if not value:
        raise ServerFault("bad_reply", f"the last message has no {key}")
    return value
