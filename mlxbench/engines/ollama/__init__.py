"""Ollama, over its own HTTP API: raw prompts of exact lengths, the server's own clock.

The engine asks for exactly the work that the in-process engine does (`request`), accepts a reply
only as evidence of exactly that work (`facts`), and leaves the server as it found it
(`residency`). What versions count differently is told in `counting`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from mlxbench.engines.ollama import counting, facts, request, residency
from mlxbench.engines.ollama.api import Api, Model
from mlxbench.engines.serving import Prompts, refuse_impossible
from mlxbench.errors import InputError, MeasurementError
from mlxbench.http_client import Client, ServerFault, parse_address
from mlxbench.http_client.address import OLLAMA_PORT
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Generate,
    Notice,
    Options,
    Request,
    Target,
    Timed,
    Trial,
)

# A prompt that is read this much faster than any before was not read whole; a machine that other
# work slows down can differ from itself by several times.
CACHED_SPEEDUP = 10.0
FEWEST_TO_JUDGE = 3
CHAT_PROMPT_TOKENS = 1024  # assumed for the context size; a chat's prompt is not counted before

SERVER = "Ollama"


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:  # noqa: ARG001 - the protocol
    """Unknown: the server decides where a model goes, and refuses it itself. Raises InputError."""
    for arm in arms:
        refuse_impossible(SERVER, arm.task, arm.options)
    return None


def open(target: Target) -> OllamaLoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """Find the model on its server and make room for it. Raises InputError, MeasurementError."""
    address = parse_address(target.location, OLLAMA_PORT, target.allow_remote)
    with ExitStack() as on_failure:
        client = on_failure.enter_context(Client(address))
        try:
            loaded = OllamaLoaded(target, Api(client))
        except ServerFault as fault:
            raise MeasurementError(
                f"cannot use Ollama for {target.model}: {fault.message}",
                "start it with `ollama serve`, see its models with `ollama list`, "
                "or name another with --url or OLLAMA_HOST",
            ) from fault
        on_failure.pop_all()  # the model closes its connection itself
        return loaded


class OllamaLoaded:
    """A model of a server that holds no other."""

    def __init__(self, target: Target, api: Api) -> None:
        self._target = target
        self._api = api
        version = self._version_text = api.version()
        self._version = counting.version_of(version)
        self._model = api.show(target.model)
        self.checkpoint: Checkpoint | None = _checkpoint(target, version, self._model)
        self._prompts = Prompts(target)
        self._context = 0
        self._notices: tuple[Notice, ...] = ()
        self._placed: dict[str, float] = {}
        self._prompt_rates: dict[int, list[float]] = {}
        self._restore = residency.occupy(api, target.model, target.unload)

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One trial; whatever the server does wrong comes back as a `Failed`."""
        refuse_impossible(SERVER, task, options)
        try:
            trial = self._timed(task, seed) if isinstance(task, Timed) else self._chat(task, seed)
        except ServerFault as fault:
            return fault.failed()
        native = {**trial.native, **self._placed}
        return replace(trial, native=native, notices=self._notices)

    def clock(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Leave the server as it was; safe to call twice."""
        self._restore()
        self._api.client.close()

    def _timed(self, task: Timed, seed: int) -> Completed:
        context = self._ready(task, task.prompt_tokens)
        prompt = self._prompts.exact(task.prompt_tokens, seed)
        body = request.timed(self._target.model, prompt.text, task, seed, context)
        trial = facts.timed(self._api.reply("/api/generate", body), task)
        self._refuse_cached(trial)
        return trial

    def _chat(self, task: Generate, seed: int) -> Completed:
        if task.thinking is not None and self._version < counting.FIRST_WITH_THINKING:
            raise InputError(
                f"Ollama {self._version_text} has no switch for thinking",
                "leave out --thinking, or update Ollama",
            )
        context = self._ready(task, CHAT_PROMPT_TOKENS)
        body = request.chat(self._target.model, task.turns(seed), task, seed, context)
        return facts.chat(self._api.reply("/api/chat", body), task)

    def _ready(self, task: Request, prompt_tokens: int) -> int:
        """The context to ask for; loading falls in here, outside of any trial's time."""
        needed = request.context_needed(task, prompt_tokens)
        limit = self._model.context_length
        if limit and prompt_tokens + _generated(task) > limit:
            raise InputError(
                f"{self._target.model} has a context of {limit} tokens, and "
                f"{prompt_tokens} + {_generated(task)} are asked for",
                "lower --prompt-tokens or --generation-tokens",
            )
        if needed > self._context:
            self._context = min(needed, limit) if limit else needed
            self._api.load(request.load(self._target.model, self._context))
            self._notices = self._placement()
        return self._context

    def _placement(self) -> tuple[Notice, ...]:
        """Where the server put the model. Raises ServerFault when its context is too small."""
        resident = self._api.resident(self._target.model)
        if resident is None:
            raise ServerFault("bad_reply", f"{self._target.model} was loaded, yet is not there")
        if resident.context_length and resident.context_length < self._context:
            raise ServerFault(
                "context_shift",
                f"the server gives a context of {resident.context_length} tokens, "
                f"{self._context} were asked for",
            )
        self._placed = {
            "num_ctx": float(resident.context_length or self._context),
            "resident_bytes": float(resident.size),
            "resident_vram_bytes": float(resident.size_vram),
        }
        wholly_on_cpu = resident.size_vram == 0 and sys.platform != "darwin"  # no accelerator known
        if wholly_on_cpu or resident.size_vram >= resident.size:
            return ()
        share = resident.size_vram / resident.size
        return (
            Notice(
                "partly-on-cpu",
                f"Ollama keeps only {share:.0%} of {self._target.model} on the accelerator",
                "free memory, or lower the context",
            ),
        )

    def _refuse_cached(self, trial: Completed) -> None:
        """Versions that do not tell a cache hit show it by a prompt rate that cannot be."""
        rates = self._prompt_rates.setdefault(trial.prompt_tokens, [])
        rate = trial.native["prefill_tps"]
        if len(rates) >= FEWEST_TO_JUDGE and rate > CACHED_SPEEDUP * max(rates):
            raise ServerFault(
                "cache_hit", f"the prompt was read at {rate:.0f} tok/s: it came from a cache"
            )
        rates.append(rate)


def _generated(task: Request) -> int:
    return task.generation_tokens if isinstance(task, Timed) else task.token_budget


def _checkpoint(target: Target, version: str, model: Model) -> Checkpoint:
    """What the server says of its model."""
    runner = counting.runner_of(model.format)
    bits = 8 * model.size / model.parameters if model.size and model.parameters else None
    return Checkpoint(
        name=target.model,
        source="server",
        directory="",
        fingerprint=model.digest,
        weight_bytes=model.size,
        bits_per_weight=bits,
        quantization={"": model.quantization} if model.quantization else {},
        model_type=model.architecture,
        kv_bytes_per_token=model.kv_bytes_per_token,
        serving={
            "program": "Ollama",
            "version": version,
            "runner": runner,
            "counting": counting.sentence(counting.version_of(version), runner),
            "steps_counted": counting.forwards_counted(counting.version_of(version), runner),
        },
    )
