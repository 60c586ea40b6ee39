"""Servers that speak OpenAI's API: mlx_lm.server, llama-server, LM Studio, vLLM, Ray Serve.

The engine asks for exactly the work that the in-process engine does (`request`), reads the streamed
answer (`events`), and accepts it only as evidence of exactly that work (`facts`). The server has no
clock that one could ask for, so stamps are arrivals here.

What servers do with a raw prompt decides whether they can be timed. Ollama's /v1/completions puts
it into the model's template: the counts differ and the trial fails with both of them; Ollama has an
engine of its own. A server that adds a token of its own to the prompt fails likewise.

**Prompt caches.** mlx_lm.server and llama-server keep the prompts of earlier runs. Each prompt here
begins with another token, and each run with other seeds, so nothing of them can be used again;
where it was, the trial fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from mlxbench.engines.openai import events, facts, keys, models, request
from mlxbench.engines.serving import Prompts, refuse_impossible
from mlxbench.errors import InputError, MeasurementError
from mlxbench.http_client import GENERATION, Address, Client, Limits, ServerFault, parse_address
from mlxbench.http_client.address import OPENAI_PORT
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Failed,
    Generate,
    Options,
    Request,
    Target,
    Timed,
    Trial,
)

MOST_NAMES_SHOWN = 5

SERVER = "an OpenAI-compatible server"


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:  # noqa: ARG001 - the protocol
    """Unknown: the server decides where a model goes, and refuses it itself. Raises InputError."""
    for arm in arms:
        refuse_impossible(SERVER, arm.task, arm.options)
    return None


def open(target: Target) -> OpenAILoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """Find the model on its server. Raises InputError, CheckpointError, MeasurementError."""
    address = _base(parse_address(target.location, OPENAI_PORT, target.allow_remote))
    key = keys.from_environment(address)
    with ExitStack() as on_failure:
        client = on_failure.enter_context(Client(address, key))
        try:
            loaded = OpenAILoaded(target, client, key)
        except ServerFault as fault:
            why = keys.hidden(fault.message, key)
            raise MeasurementError(  # not `from fault`, which may show the key
                f"cannot use {client.address.url} for {target.model}: {why}",
                f"start the server, name another with --url, or set {keys.VARIABLE} if it asks "
                "for a key",
            ) from None
        on_failure.pop_all()  # the model closes its connection itself
        return loaded


class OpenAILoaded:
    """A model of a server that answers."""

    def __init__(
        self, target: Target, client: Client, key: str | None, limits: Limits = GENERATION
    ) -> None:
        self._target = target
        self._client = client
        self._key = key
        self._limits = limits
        found = models.listed(client, target.model)
        if not found.has(target.model):
            raise InputError(*self._not_listed(found.names))
        self._prompts = Prompts(target)
        self.checkpoint: Checkpoint | None = _checkpoint(target, found, key)

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One trial; whatever the server does wrong comes back as a `Failed`."""
        refuse_impossible(SERVER, task, options)
        try:
            trial = self._timed(task, seed) if isinstance(task, Timed) else self._chat(task, seed)
        except ServerFault as fault:
            return Failed(fault.reason, keys.hidden(fault.message, self._key))
        return replace(trial, text=trial.text and keys.hidden(trial.text, self._key))

    def clock(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """End the connection; safe to call twice."""
        self._client.close()

    def _timed(self, task: Timed, seed: int) -> Completed:
        prompt = self._prompts.exact(task.prompt_tokens, seed)
        body = request.timed(self._target.model, prompt.text, task, seed)
        return facts.timed(*self._reply("/v1/completions", body), task)

    def _chat(self, task: Generate, seed: int) -> Completed:
        body = request.chat(self._target.model, task.turns(seed), task, seed)
        return facts.chat(*self._reply("/v1/chat/completions", body), task)

    def _reply(self, path: str, body: dict[str, object]) -> tuple[events.Reply, float]:
        """The whole answer, and when the request was about to be sent (`perf_counter`)."""
        began = time.perf_counter()
        with self._client.stream(path, body, self._limits) as lines:
            return events.read(lines), began

    def _not_listed(self, names: tuple[str, ...]) -> tuple[str, str]:
        shown = [keys.hidden(models.shown(name), self._key) for name in names[:MOST_NAMES_SHOWN]]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        where = self._client.address.url
        return (
            f"{where} has no model {self._target.model!r}",
            f"use one that it lists: {', '.join(shown)}{more}",
        )


def _base(address: Address) -> Address:
    """The address without the `v1` that people copy along with it."""
    return replace(address, path=re.sub(r"(^|/)v1$", "", address.path))


def _checkpoint(target: Target, found: models.Listed, key: str | None) -> Checkpoint:
    """What the server says of its model: little."""
    bits = 8 * found.size / found.parameters if found.size and found.parameters else None
    return Checkpoint(
        name=target.model,
        source="server",
        directory="",
        weight_bytes=found.size,
        bits_per_weight=bits,
        quantization={"": keys.hidden(found.format, key)} if found.format else {},
        serving={"program": found.program, "counting": found.counting},
    )
