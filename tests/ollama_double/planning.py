"""From a request to the messages of its answer, each with the time at which it leaves.

Nothing here sleeps or sends: `plan` is a pure function, so a parser can be tested on its bytes
without HTTP (`body`). What it keeps from the server:

- a prompt is cut or refused by the version's rule (`fitted`)
- a piece of text is not a token: bytes of an unfinished character wait for the rest of it
- 31 pieces in a row that are equal but for white space end the stream, without a last message
- zeros are omitted, so one token has no `eval_duration` in 0.24

Stop strings, images, tools, formats and log probabilities are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.ollama_double.asking import Ask, Refusal, options, read
from tests.ollama_double.behaviour import Behaviour, nanoseconds
from tests.ollama_double.golang import dumps, rfc3339, without_zeros
from tests.ollama_double.pieces import before_repeats, chunks
from tests.ollama_double.thinking import ThinkingParser

Message = dict[str, Any]
ENDLESS_CONTEXTS = 10  # num_predict < 0 means ten times the context
ENDING_NS = 8_000  # between the last piece and the last message, as seen on the built servers
OVERHEAD_NS = 2_000  # so that no figure of the MLX runner is exactly zero
A_DAY_IN_2026_NS = 1_785_000_000_123_456_789


@dataclass(frozen=True, slots=True)
class Timed:
    """A message and when it leaves, in nanoseconds since 1970."""

    at_ns: int
    message: Message


@dataclass(frozen=True, slots=True)
class Situation:
    """What a request finds: when it came, what loading took, and what the prompt cache holds."""

    started_ns: int = A_DAY_IN_2026_NS
    load_ns: int = 0
    cached: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be computed: P tokens, C of them cached, S samples, perhaps with EOS."""

    tokens: tuple[int, ...]
    cached: int
    samples: int
    eos: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer, and the prompt that is in the cache afterwards."""

    messages: tuple[Timed, ...]
    tokens: tuple[int, ...]


def body(behaviour: Behaviour, request: Mapping[str, Any], operation: str = "generate") -> bytes:
    """The answer to a request as bytes, without a server. Raises Refusal."""
    return b"".join(dumps(one.message) + b"\n" for one in answer(behaviour, request, operation))


def answer(
    behaviour: Behaviour, request: Mapping[str, Any], operation: str = "generate"
) -> Sequence[Timed]:
    """The messages of a server that has the model loaded. Raises Refusal."""
    ask = read(operation, dumps(dict(request)), behaviour)
    return plan(behaviour, ask, Situation(load_ns=nanoseconds(behaviour.warm_load_s))).messages


def plan(behaviour: Behaviour, ask: Ask, situation: Situation) -> Plan:
    """Everything that the server will say. Raises Refusal."""
    prompt = rendered(behaviour, ask)
    work = _work(behaviour, ask, prompt, situation.cached)
    clock = _Clock(behaviour, situation, work)
    text = chunks(behaviour, ask, work.samples - work.eos)
    sent = before_repeats(behaviour, ask, text)
    messages = list(_texts(behaviour, ask, clock, sent))
    if len(sent) == len(text):
        messages.append(_last(behaviour, ask, clock, work, prompt, text))
    if not ask.stream and messages:
        messages = [_merged(messages)]
    return Plan(tuple(messages), work.tokens)


def rendered(behaviour: Behaviour, ask: Ask) -> str:
    """The prompt as the model gets it, through the template unless it is raw."""
    if ask.raw:
        return ask.prompt
    messages = ask.messages or ({"role": "user", "content": ask.prompt},)
    if ask.system:
        messages = ({"role": "system", "content": ask.system}, *messages)
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    thought = "<think>\n\n</think>\n\n" if ask.think is False else ""
    return f"{turns}<|im_start|>assistant\n{thought}"


def fitted(behaviour: Behaviour, ask: Ask, tokens: tuple[int, ...]) -> tuple[int, ...]:
    """The prompt's tokens that are processed. Raises Refusal."""
    rule, chosen = behaviour.rules.over_limit, options(ask, behaviour)
    context = effective_context(behaviour, chosen)
    if rule == "refuse":
        if len(tokens) >= behaviour.limit:
            raise Refusal(
                400,
                f"input length ({len(tokens)} tokens) exceeds the model's maximum context length"
                f" ({behaviour.limit} tokens)",
            )
        return tokens
    if len(tokens) < context + (rule == "window"):
        return tokens
    if behaviour.rules.can_refuse and not ask.truncate:
        raise Refusal(400, _too_long(behaviour, len(tokens), context))
    if rule == "half" and not ask.shift:
        raise Refusal(
            400,
            "the prompt is longer than the context length currently available to the model; "
            "shorten the prompt, adjust the context length in settings, or use a model with a "
            "longer context length",
        )
    keep = chosen["num_keep"] if chosen["num_keep"] >= 0 else len(tokens)
    keep = min(keep, context - 1)
    left = context if rule == "window" else context - max((context - keep) // 2, 1)
    return tokens[:keep] + tokens[len(tokens) - left + keep :]


def effective_context(behaviour: Behaviour, chosen: Mapping[str, Any]) -> int:
    """The context of a load, in tokens; 0.6 goes beyond what the model was trained for."""
    if not behaviour.rules.reloads:
        return behaviour.limit
    wanted = int(chosen["num_ctx"])
    return wanted if behaviour.era == "0.6" else min(wanted, behaviour.limit)


def _too_long(behaviour: Behaviour, length: int, context: int) -> str:
    if behaviour.era == "0.24":
        return "the input length exceeds the context length"
    inner = {
        "code": 400,
        "message": f"request ({length} tokens) exceeds the available context size ({context} "
        "tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": length,
        "n_ctx": context,
    }
    return dumps({"error": inner}).decode()  # llama-server's whole answer, as a string


def _work(behaviour: Behaviour, ask: Ask, prompt: str, cache: Sequence[int]) -> Work:
    tokens = fitted(behaviour, ask, tuple(behaviour.encode(prompt)))
    same = next((i for i, (a, b) in enumerate(zip(cache, tokens, strict=False)) if a != b), None)
    common = min(len(cache), len(tokens)) if same is None else same
    cached = min(common, len(tokens) - 1)  # one is left, to have something to sample from
    budget = _budget(behaviour, ask, len(tokens))
    stop = behaviour.stop_after
    eos = stop is not None and stop < budget
    samples = stop + 1 if eos and stop is not None else budget
    return Work(tokens, cached, samples, eos)


def _budget(behaviour: Behaviour, ask: Ask, prompt_tokens: int) -> int:
    """How many tokens are sampled at most."""
    chosen = options(ask, behaviour)
    context = effective_context(behaviour, chosen)
    wanted = behaviour.num_predict or int(chosen["num_predict"])
    if behaviour.rules.over_limit == "refuse":
        room = behaviour.limit - prompt_tokens
        return room if wanted <= 0 else min(wanted, room)
    most = ENDLESS_CONTEXTS * context
    budget = most if wanted <= 0 else min(wanted, most)
    ends_when_full = behaviour.rules.can_refuse and not ask.shift
    return min(budget, max(context - prompt_tokens, 1)) if ends_when_full else budget


class _Clock:
    """The script of one request: when each token is there, and the durations that follow."""

    def __init__(self, behaviour: Behaviour, situation: Situation, work: Work) -> None:
        rules = behaviour.rules
        self.started_ns, self.load_ns = situation.started_ns, situation.load_ns
        forward, sample = nanoseconds(behaviour.token_s), nanoseconds(behaviour.sample_s)
        self._step_ns = forward + sample
        fresh, unread = len(work.tokens) - work.cached, nanoseconds(behaviour.prompt_token_s)
        tokenising = nanoseconds(behaviour.tokenising_token_s) * len(work.tokens)
        prefill = {
            "tokenising, P-C": tokenising + fresh * unread,
            "P-C": fresh * unread,
            "P-C-1, forward": OVERHEAD_NS + (fresh - 1) * unread + self._step_ns,
            "P-C-1": OVERHEAD_NS + (fresh - 1) * unread,
        }
        self.prompt_ns = prefill[rules.prompt]
        first_step = self._step_ns if rules.prompt == "P-C-1" else 0
        early = tokenising if rules.prompt != "tokenising, P-C" else 0
        self._first_ns = self.started_ns + self.load_ns + early + self.prompt_ns + first_step
        count = {"S": work.samples, "S-1": work.samples - 1, "none": 0}
        self.eval_ns = count[rules.forwards] * forward + count[rules.samples] * sample
        if (behaviour.era, behaviour.runner) == ("0.32", "gguf"):
            self.eval_ns = max(self.eval_ns, 1_000)  # llama-server's least
        late = sample if rules.samples == "S" else 0
        self.ended_ns = self.at(work.samples) + late + ENDING_NS

    def at(self, token: int) -> int:
        """When token 1, 2, … is there."""
        return self._first_ns + (token - 1) * self._step_ns


def _texts(
    behaviour: Behaviour, ask: Ask, clock: _Clock, text: Sequence[tuple[int, str]]
) -> Iterator[Timed]:
    """The messages that hold text."""
    separate = behaviour.rules.splits_thinking and ask.think is not False
    parser = ThinkingParser() if separate else None
    for number, piece in text:
        thinking, answer = parser.add(piece) if parser else ("", piece)
        if not thinking and not answer and parser and ask.operation == "chat":
            continue
        at_ns = clock.at(number)
        yield Timed(at_ns, _head(ask, at_ns, answer, thinking) | {"done": False})


def _head(ask: Ask, at_ns: int, answer: str, thinking: str = "") -> Message:
    head: Message = {"model": ask.model, "created_at": rfc3339(at_ns)}
    extra = without_zeros({"thinking": thinking})
    if ask.operation == "chat":
        return head | {"message": {"role": "assistant", "content": answer} | extra}
    return head | {"response": answer} | extra


def ending(ask: Ask, behaviour: Behaviour, at_ns: int, reason: str) -> Message:
    """The last message, without metrics: that is all when a model is loaded or unloaded."""
    finish: Message = {"done": True, "done_reason": reason}
    if ask.operation == "chat" and behaviour.era == "0.6":
        finish = {"done_reason": reason, "done": True}
    return _head(ask, at_ns, "") | finish


def _last(
    behaviour: Behaviour,
    ask: Ask,
    clock: _Clock,
    work: Work,
    prompt: str,
    text: Sequence[tuple[int, str]],
) -> Timed:
    message = ending(ask, behaviour, clock.ended_ns, "stop" if work.eos else "length")
    if ask.operation == "generate" and not ask.raw:
        said = "".join(piece for _, piece in text)
        message["context"] = list(behaviour.encode(prompt + said))
    counted = work.samples - (work.eos and not behaviour.rules.counts_eos)
    metrics = {
        "total_duration": clock.ended_ns - clock.started_ns,
        "load_duration": clock.load_ns,
        "prompt_eval_count": len(work.tokens),
        "prompt_eval_cached_count": work.cached if behaviour.reports_cached else 0,
        "prompt_eval_duration": clock.prompt_ns,
        "eval_count": counted,
        "eval_duration": clock.eval_ns,
    }
    return Timed(clock.ended_ns, message | without_zeros(metrics))


def _merged(messages: Sequence[Timed]) -> Timed:
    """`stream: false`: the last message with all the text, even where it is not done."""
    last = messages[-1]
    parts = [one.message.get("message", one.message) for one in messages]
    field = "content" if "message" in last.message else "response"
    joined = {field: "".join(part[field] for part in parts)}
    joined |= without_zeros({"thinking": "".join(part.get("thinking", "") for part in parts)})
    if field == "content":
        return Timed(last.at_ns, last.message | {"message": {"role": "assistant"} | joined})
    return Timed(last.at_ns, last.message | joined)
