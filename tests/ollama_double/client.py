"""The smallest client, for the double's own tests: bytes as they come, nothing interpreted."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from tests.ollama_double.serving import OllamaDouble

MODEL = "qwen3:tiny"
TIMEOUT_S = 20


def ask(
    double: OllamaDouble, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; a body given as bytes is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(double.url).netloc, timeout=TIMEOUT_S)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def post(double: OllamaDouble, body: Any, path: str = "/api/generate") -> Any:
    """The JSON of an answer that is one document."""
    return json.loads(ask(double, "POST", path, body)[2])


def error(double: OllamaDouble, body: Any, path: str = "/api/generate") -> tuple[int, str]:
    """The status and the text of a refusal."""
    status, _, answer = ask(double, "POST", path, body)
    return status, json.loads(answer)["error"]


def request(prompt: str = "Hello", **fields: Any) -> dict[str, Any]:
    """A raw request for four tokens."""
    options = {"num_predict": 4, **fields.pop("options", {})}
    return {"model": MODEL, "prompt": prompt, "raw": True, "options": options, **fields}


def messages(body: bytes) -> list[dict[str, Any]]:
    """The lines of a reply."""
    return [json.loads(line) for line in body.splitlines()]


def raw_socket(double: OllamaDouble, body: Any, path: str = "/api/generate") -> socket.socket:
    """A connection on which `body` was sent and nothing read yet."""
    place = urlsplit(double.url)
    connection = socket.create_connection((place.hostname or "", place.port or 0), TIMEOUT_S)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection
