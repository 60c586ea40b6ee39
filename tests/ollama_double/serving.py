"""The server itself: endpoints, loaded models, connections.

One request generates at a time, as with OLLAMA_NUM_PARALLEL=1. Whatever the double does wrong by
itself is kept and raised when its `with` block ends.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.ollama_double import faults, loading
from tests.ollama_double.asking import Ask, Refusal, document, read
from tests.ollama_double.behaviour import Behaviour, ModelCard
from tests.ollama_double.connection import GONE, Connection, Server
from tests.ollama_double.faults import JSON, Damage, Ending
from tests.ollama_double.golang import SECOND_NS, dumps, quote
from tests.ollama_double.loading import Resident
from tests.ollama_double.planning import Situation, ending, plan

PATHS = {
    ("GET", "/api/version"): "version",
    ("GET", "/api/tags"): "tags",
    ("GET", "/api/ps"): "ps",
    ("POST", "/api/show"): "show",
    ("POST", "/api/generate"): "generate",
    ("POST", "/api/chat"): "chat",
}


@dataclass(slots=True)
class Request:
    """What a client sent. `finished` tells whether it took the whole answer, and is settled
    once the server has ended: a client may go on before the thread that served it."""

    method: str
    path: str
    headers: Mapping[str, str]  # lower case
    raw: bytes
    finished: bool = False
    operation: str = ""  # with load and unload told apart from generate

    @property
    def body(self) -> Any:
        """The JSON that was sent, `None` where there was none."""
        return json.loads(self.raw) if self.raw else None


class OllamaDouble:
    """A server on loopback. `behaviour` may be replaced at any time.

    `upcoming` holds behaviours for the next generations, one each; then `behaviour` applies again.
    """

    def __init__(
        self, behaviour: Behaviour | None = None, models: Sequence[ModelCard] = (ModelCard(),)
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.models = list(models)
        self.residents: list[Resident] = []
        self.loads: list[tuple[str, int]] = []  # model and num_ctx, each time one was loaded
        self.requests: list[Request] = []
        self.upcoming: deque[Behaviour] = deque()
        self.closing = threading.Event()
        self.turn = threading.Lock()
        handler = type("Handler", (_Handler,), {"double": self, "closing": self.closing})
        self._server = Server(handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        if error_type is None and self._server.failures:
            raise self._server.failures[0]

    def asked(self, operation: str) -> list[Request]:
        """The requests of one operation so far."""
        return [request for request in self.requests if request.operation == operation]


class _Handler(Connection):
    double: OllamaDouble

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET

    def _handle(self) -> None:
        double = self.double
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, raw)
        double.requests.append(request)
        self.request_body, self.authorization = raw, headers.get("authorization", "")
        try:
            self._dispatch(request)
            request.finished = True
        except Refusal as refusal:
            body = dumps({"error": refusal.message})
            self.answer(refusal.status, JSON, body)
        except GONE:
            self.close_connection = True

    def _dispatch(self, request: Request) -> None:
        double = self.double
        operation = PATHS.get((request.method, request.path))
        if operation is None:
            self._unknown_path(request)
            return
        request.operation = operation
        if operation in ("generate", "chat"):
            self._run(request)
        elif not self._fails(double.behaviour, operation):
            self.answer(200, JSON, dumps(self._document(request)))

    def _unknown_path(self, request: Request) -> None:
        """0.6 knows no 405."""
        allowed = next((method for method, path in PATHS if path == request.path), None)
        if (request.method, request.path) == ("GET", "/"):
            self.answer(200, "text/plain; charset=utf-8", b"Ollama is running")
        elif allowed and self.double.behaviour.era != "0.6":
            self.answer(405, "text/plain", b"405 method not allowed", {"Allow": allowed})
        else:
            self.answer(404, "text/plain", b"404 page not found")

    def _document(self, request: Request) -> dict[str, Any]:
        double = self.double
        behaviour = double.behaviour
        if request.operation == "version":
            return {"version": behaviour.version}
        if request.operation == "tags":
            return {"models": [loading.tag(card, behaviour) for card in double.models]}
        if request.operation == "ps":
            loading.expire(double.residents)
            return {"models": [loading.process(one, behaviour) for one in double.residents]}
        values = document("show", request.raw, behaviour)
        name = values.get("model") or values.get("name")
        if not name:
            raise Refusal(400, "model is required")
        return loading.shown(self._card(name, f"model '{name}' not found"), behaviour)

    def _card(self, name: str, missing: str) -> ModelCard:
        for card in self.double.models:
            if loading.same(card.name, name):
                return card
        raise Refusal(404, missing)

    def _run(self, request: Request) -> None:
        """Generate, load or unload."""
        double = self.double
        arrived_ns = time.time_ns()
        ask = read(request.operation, request.raw, double.behaviour)
        if ask.is_empty:
            request.operation = "unload" if ask.unloads else "load"
        behaviour = double.behaviour
        if not ask.is_empty and double.upcoming:
            behaviour = double.upcoming.popleft()
        card = self._checked(ask, behaviour)
        if self._fails(behaviour, request.operation):
            return
        with double.turn:
            if ask.unloads:
                loading.unload(double.residents, card, behaviour)
                self._single(ask, behaviour, "unload")
                return
            resident, load_ns = loading.load(double.residents, double.loads, card, ask, behaviour)
            if ask.is_empty:
                self.pause(load_ns / SECOND_NS)
                loading.keep(double.residents, resident, ask)
                self._single(ask, behaviour, "load")
                return
            loading.extend(resident, ask)
            try:
                situation = Situation(arrived_ns, load_ns, resident.cache)
                self._generate(request, ask, behaviour, situation, resident)
            finally:
                loading.keep(double.residents, resident, ask)

    def _checked(self, ask: Ask, behaviour: Behaviour) -> ModelCard:
        """The model, if the request is one that it can serve. Raises Refusal."""
        missing = f"model '{ask.model}' not found"
        if ask.operation == "chat":
            if not ask.model:
                raise Refusal(400, "model is required")
            if behaviour.era == "0.6" and not ask.unloads:
                missing = f"model {quote(ask.model)} not found, try pulling it first"
        card = self._card(ask.model, missing)
        if ask.unloads:
            return card
        if ask.raw and any(ask.body.get(name) for name in ("template", "system", "context")):
            raise Refusal(400, "raw mode does not support template, system, or context")
        if ask.think and not card.thinks:
            raise Refusal(400, f"{quote(ask.model)} does not support thinking")
        return card

    def _single(self, ask: Ask, behaviour: Behaviour, reason: str) -> None:
        self.answer(200, JSON, dumps(ending(ask, behaviour, time.time_ns(), reason)))

    def _generate(
        self,
        request: Request,
        ask: Ask,
        behaviour: Behaviour,
        situation: Situation,
        resident: Resident,
    ) -> None:
        planned = plan(behaviour, ask, situation)
        resident.cache = planned.tokens
        fault = faults.FAULTS.get(behaviour.fault or "")
        damage: Damage = faults.lines
        end: Ending = "proper"
        if fault is not None and fault.damage and request.operation in behaviour.fault_at:
            damage, end = fault.damage, fault.ending
        if ask.stream or damage is not faults.lines:
            self.stream(damage(planned.messages), end)
        else:
            self.pause((planned.messages[0].at_ns - time.time_ns()) / SECOND_NS)
            self.answer(200, JSON, dumps(planned.messages[0].message))

    def _fails(self, behaviour: Behaviour, operation: str) -> bool:
        """Let a fault take the connection over, if one is due here."""
        if behaviour.fault is None or operation not in behaviour.fault_at:
            return False
        fault = faults.FAULTS[behaviour.fault]
        if fault.damage is not None:
            if operation in ("generate", "chat"):
                return False  # the messages are damaged when they are there
            raise ValueError(f"{behaviour.fault} is only for replies of generate and chat")
        self.redirect_to = behaviour.redirect_to
        self.close_connection = True
        if fault.takeover is not None:
            fault.takeover(self)
        else:
            canned = behaviour.canned
            self.head(canned.status, {**dict(canned.headers), "Connection": "close"})
            self.send(canned.body)
        return True
