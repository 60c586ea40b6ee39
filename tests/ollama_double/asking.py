"""Reading a request as Ollama does, with its refusals.

The body is bound to a Go struct: a field of another type is a 400 that names it, an unknown field
is ignored. Options are looked at only when the model is scheduled: a wrong type there is a **500**,
an unknown option is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tests.ollama_double.behaviour import Behaviour
from tests.ollama_double.golang import GoError, keep_alive, quote

STRING, BOOL, OBJECT = "string", "bool", "map[string]interface {}"
_SHARED = {"model": STRING, "stream": BOOL, "options": OBJECT}
_NEWER = {"truncate": BOOL, "shift": BOOL}
_FIELDS = {
    "generate": {
        **_SHARED,
        "prompt": STRING,
        "suffix": STRING,
        "system": STRING,
        "template": STRING,
        "context": "[]int",
        "raw": BOOL,
    },
    "chat": {**_SHARED, "messages": "[]api.Message"},
    "show": {"model": STRING, "name": STRING, "verbose": BOOL, "options": OBJECT},
}
_STRUCTS = {"generate": "GenerateRequest", "chat": "ChatRequest", "show": "ShowRequest"}
_PYTHON = {STRING: str, BOOL: bool, OBJECT: dict, "[]int": list, "[]api.Message": list}
_JSON = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
THINK_LEVELS = ("high", "medium", "low", "max")
_THINK = '"high", "medium", "low", "max", true, or false'

INTEGERS = {"num_keep", "seed", "num_predict", "top_k", "repeat_last_n"}
INTEGERS |= {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"}
FLOATS = {"top_p", "min_p", "typical_p", "temperature"}
FLOATS |= {"repeat_penalty", "presence_penalty", "frequency_penalty"}
# Other values of these load the model again.
RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread")
DEFAULTS = {"num_predict": -1, "num_keep": 4, "num_batch": 512}


class Refusal(Exception):
    """An answer that is only an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was understood. `keep_alive_ns` is `None` where it was not given."""

    operation: str
    model: str
    prompt: str
    raw: bool
    messages: tuple[Mapping[str, Any], ...]
    system: str
    stream: bool
    think: bool | None
    truncate: bool
    shift: bool
    keep_alive_ns: int | None
    body: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether it only loads or unloads."""
        return not (self.messages if self.operation == "chat" else self.prompt)

    @property
    def unloads(self) -> bool:
        return self.is_empty and self.keep_alive_ns == 0


def read(operation: str, raw: bytes, behaviour: Behaviour) -> Ask:
    """A request's body. Raises Refusal."""
    body = document(operation, raw, behaviour)
    lifetime = body.get("keep_alive")
    return Ask(
        operation=operation,
        model=body.get("model", ""),
        prompt=body.get("prompt", ""),
        raw=body.get("raw", False),
        messages=tuple(body.get("messages", ())),
        system=body.get("system", ""),
        stream=body.get("stream", True),
        think=bool(body["think"]) if "think" in body and behaviour.era != "0.6" else None,
        truncate=body.get("truncate", True),
        shift=body.get("shift", True),
        keep_alive_ns=None if lifetime is None else keep_alive(lifetime, behaviour.era == "0.6"),
        body=body,
    )


def document(operation: str, raw: bytes, behaviour: Behaviour) -> dict[str, Any]:
    """The body's known fields, each of its type; nulls are as if absent. Raises Refusal."""
    if not raw.strip():
        raise Refusal(400, "missing request body")
    body = _parsed(raw)
    struct = _STRUCTS[operation]
    if not isinstance(body, dict):
        raise Refusal(
            400, f"json: cannot unmarshal {_JSON[type(body)]} into Go value of type api.{struct}"
        )
    newer = behaviour.era != "0.6"
    fields = _FIELDS[operation] | (_NEWER if newer and operation != "show" else {})
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        if name in fields:
            _require(struct, name, value, fields[name])
        elif name == "think" and newer:
            _require_think(value)
        elif name == "keep_alive":
            _require_duration(value, not newer)
    known = {*fields, "keep_alive", *(("think",) if newer else ())}
    return {name: value for name, value in given.items() if name in known}


def options(ask: Ask, behaviour: Behaviour) -> dict[str, Any]:
    """The known options with defaults filled in. Raises Refusal."""
    found: dict[str, Any] = dict(DEFAULTS, num_ctx=behaviour.num_ctx)
    for name, value in ask.body.get("options", {}).items():
        if value is None:
            continue
        if name in INTEGERS:
            found[name] = int(_option(name, value, "integer", (int, float)))
        elif name in FLOATS:
            found[name] = float(_option(name, value, "float32", (int, float)))
        elif name == "use_mmap":
            found[name] = _option(name, value, "boolean", (bool,))
        elif name == "stop":
            strings = _option(name, value, "array", (list,))
            if not all(isinstance(one, str) for one in strings):
                raise Refusal(500, f"option {quote(name)} must be of an array of strings")
            found[name] = strings
    return found


def _parsed(raw: bytes) -> Any:
    def refuse(text: str) -> NoReturn:
        raise Refusal(400, f"invalid character '{text[0]}' looking for beginning of value")

    try:
        return json.loads(raw, parse_constant=refuse)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
            raise Refusal(400, "unexpected EOF") from None
        sign = error.doc[error.pos]
        raise Refusal(400, f"invalid character '{sign}' looking for beginning of value") from None


def _require(struct: str, name: str, value: Any, kind: str) -> None:
    if type(value) is not _PYTHON[kind]:
        raise Refusal(
            400,
            f"json: cannot unmarshal {_JSON[type(value)]} into Go struct field {struct}.{name}"
            f" of type {kind}",
        )


def _require_think(value: Any) -> None:
    if isinstance(value, str) and value not in THINK_LEVELS:
        raise Refusal(400, f"invalid think value: {quote(value)} (must be {_THINK})")
    if not isinstance(value, str | bool):
        raise Refusal(400, f"think must be a boolean or string ({_THINK})")


def _require_duration(value: Any, whole_seconds: bool) -> None:
    try:
        keep_alive(value, whole_seconds)
    except GoError as error:
        raise Refusal(400, str(error)) from None


def _option(name: str, value: Any, kind: str, types: tuple[type, ...]) -> Any:
    if type(value) not in types:
        raise Refusal(500, f"option {quote(name)} must be of type {kind}")
    return value
