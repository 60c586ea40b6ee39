"""What a simulated trial holds besides its stamps: lengths, tokens and text."""

from __future__ import annotations

from dataclasses import dataclass

from mlxbench.engines.sim.noise import Floats
from mlxbench.records import Completed, FinishReason, Generate, Request

# Between trials. With 512 prompt tokens at the default prefill, 0.256 s, a trial takes 0.44 s more
# than its steps: the overhead with which this project's noise regimes were studied.
GAP_S = 0.184
FIRST_IDS = 100_000  # so that ids stay below the size of a vocabulary
REPLY = "This reply comes from a simulated engine, which times tokens but reads no prompts."


@dataclass(frozen=True, slots=True)
class Lengths:
    """Prompt tokens of each sequence, and what is generated after them."""

    prompt: int
    generated: int
    batch: int
    finish: FinishReason


def lengths(task: Request, stop_at: int | None) -> Lengths:
    """How long a trial of `task` is for an arm that stops after `stop_at` tokens.

    A prefill ends with its first token. Words stand for tokens in a chat.
    """
    if isinstance(task, Generate):
        prompt = sum(len(message.content.split()) for message in task.messages)
        asked, batch, own_end = task.token_budget, 1, len(REPLY.split())
    else:
        prompt, batch = task.prompt_tokens, task.batch_size
        asked = own_end = 1 if task.kind == "prefill" else task.generation_tokens
    end = own_end if stop_at is None else min(own_end, stop_at)
    finish: FinishReason = "stop" if end < asked else "length"
    return Lengths(max(1, prompt), min(asked, end), batch, finish)


def completed(
    task: Request, size: Lengths, stamps: Floats, memory_bytes: int, seed: int
) -> Completed:
    """The facts of a trial whose tokens came at `stamps`."""
    return Completed(
        clock="virtual",
        stamps=tuple(stamps.tolist()),
        duration_s=float(stamps[-1]) + GAP_S,
        prompt_tokens=size.prompt,
        generated_tokens=size.generated,
        batch_size=size.batch,
        finish_reason=size.finish,
        peak_memory_bytes=memory_bytes,
        tokens=_tokens(size, seed),
        text=" ".join(REPLY.split()[: size.generated]) if isinstance(task, Generate) else None,
        native=_native(size, stamps),
    )


def _tokens(size: Lengths, seed: int) -> tuple[tuple[int, ...], ...]:
    """Counted on from sequence to sequence and from seed to seed; no sequence repeats an id."""
    first = seed * size.batch
    starts = (row * size.generated % FIRST_IDS for row in range(first, first + size.batch))
    return tuple(tuple(range(start, start + size.generated)) for start in starts)


def _native(size: Lengths, stamps: Floats) -> dict[str, float]:
    """Rates as mlx-lm defines them: it divides N tokens by the N-1 intervals between them."""
    first, last = float(stamps[0]), float(stamps[-1])
    native = {"prefill_tps": size.batch * size.prompt / first}
    if last > first:
        native["decode_tps"] = size.batch * size.generated / (last - first)
    return native
