"""One request after another over one connection, each bounded in time and size.

The library's own timeouts are per read, and a server that sends a byte now and then never meets
one, in its headers as little as in its body. So a timer closes the socket at the total deadline;
the read that is under way then fails at once, wherever it is.

Lines are stamped when the bytes that end them have arrived (`time.perf_counter`). Several lines
that arrive together share a stamp.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from mlxbench.http_client.address import Address
from mlxbench.http_client.faults import ServerFault, clean
from mlxbench.http_client.numbers import parse

CONNECT_S = 5.0
LARGEST_ERROR = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What an exchange may take: seconds in all, seconds of silence, bytes of a line and in all."""

    total_s: float
    idle_s: float
    line_bytes: int = 1 << 20
    body_bytes: int = 64 << 20


# Silence ends with the first token, and a long prompt on a large model takes minutes. The thoughts
# of a slow one may take hours, and cutting them short would call it worse than it is.
GENERATION = Limits(total_s=86_400, idle_s=900)
CONTROL = Limits(total_s=15, idle_s=10)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a body, without its end, and when it had arrived (`time.perf_counter`)."""

    at: float
    content: bytes


class Client:
    """A connection to one server. `key` is sent as a bearer token and never shown.

    `server` is what the latest answer's `Server` header says, unchecked.
    """

    def __init__(self, address: Address, key: str | None = None) -> None:
        self.address = address
        self.server = ""
        self._key = key
        headers = {"Accept-Encoding": "identity", "User-Agent": "mlxbench"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx2.Client(
            headers=headers,
            trust_env=False,  # no proxies, no .netrc
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1),
        )
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; safe to call twice."""
        self._http.close()

    def get(self, path: str, limits: Limits = CONTROL) -> Mapping[str, Any]:
        """The JSON object at `path`. Raises ServerFault."""
        return self._object("GET", path, None, limits)

    def post(self, path: str, body: Mapping[str, Any], limits: Limits) -> Mapping[str, Any]:
        """The JSON object that answers `body`. Raises ServerFault."""
        return self._object("POST", path, body, limits)

    @contextmanager
    def stream(
        self, path: str, body: Mapping[str, Any], limits: Limits
    ) -> Iterator[Iterator[Line]]:
        """The lines that answer `body`, as they arrive. Raises ServerFault, also while iterating.

        Leaving the block early closes the connection, so that the server stops generating.
        """
        with self._exchange("POST", path, body, limits) as response:
            yield self._lines(response, limits)

    def _object(
        self, method: str, path: str, body: Mapping[str, Any] | None, limits: Limits
    ) -> Mapping[str, Any]:
        with self._exchange(method, path, body, limits) as response:
            whole = b"".join(self._chunks(response, limits.body_bytes))
        return parse(whole, f"the answer of {path}")

    @contextmanager
    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, limits: Limits
    ) -> Iterator[httpx2.Response]:
        late = threading.Event()
        timer = threading.Timer(limits.total_s, self._cut, (late,))
        timer.daemon = True
        timer.start()
        try:
            with self._http.stream(
                method,
                self.address.url + path,
                json=body,
                timeout=httpx2.Timeout(limits.idle_s, connect=CONNECT_S),
                extensions={"trace": self._trace},
            ) as response:
                self.server = response.headers.get("server", "")
                self._refuse(response)
                yield response
            if late.is_set():  # a body without a length ends where the socket does
                raise httpx2.ReadTimeout("cut at the deadline")
        except (httpx2.HTTPError, OSError) as error:
            raise self._fault(error, late.is_set(), limits) from error
        except ServerFault as fault:
            if late.is_set():  # then the reader saw a reply that broke off
                raise self._fault(fault, True, limits) from fault
            raise
        finally:
            timer.cancel()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the socket of the connection: the library keeps it until a response is there."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self, late: threading.Event) -> None:
        late.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _fault(self, error: Exception, late: bool, limits: Limits) -> ServerFault:
        where = self.address.url
        if late:
            return ServerFault("timeout", f"{where} was not done after {limits.total_s:g} s")
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return ServerFault("connection", f"nothing answers at {where}")
        if isinstance(error, httpx2.TimeoutException):
            return ServerFault("timeout", f"{where} was silent for {limits.idle_s:g} s")
        why = clean(str(error), self._key) or type(error).__name__
        return ServerFault("connection", f"the connection to {where} broke ({why})")

    def _refuse(self, response: httpx2.Response) -> None:
        """Raises ServerFault for anything but a plain success."""
        if response.is_redirect:
            raise ServerFault("http_error", f"{self.address.url} redirects, which is not followed")
        if not response.is_success:
            body = b"".join(self._chunks(response, LARGEST_ERROR))
            why = clean(_error_text(body), self._key)
            raise ServerFault(
                "http_error", f"HTTP {response.status_code} from {self.address.url}: {why}"
            )
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ServerFault("bad_reply", f"{self.address.url} compresses unasked")

    def _chunks(self, response: httpx2.Response, largest: int) -> Iterator[bytes]:
        taken = 0
        for chunk in response.iter_raw():
            taken += len(chunk)
            if taken > largest:
                raise ServerFault("too_large", f"an answer of more than {largest} bytes")
            yield chunk

    def _lines(self, response: httpx2.Response, limits: Limits) -> Iterator[Line]:
        pending = b""
        for chunk in self._chunks(response, limits.body_bytes):
            at = time.perf_counter()
            *whole, pending = (pending + chunk).split(b"\n")
            for content in whole:
                yield _bounded(Line(at, content), limits)
            _bounded(Line(at, pending), limits)
        if pending:
            yield Line(time.perf_counter(), pending)


def _bounded(line: Line, limits: Limits) -> Line:
    if len(line.content) > limits.line_bytes:
        raise ServerFault("too_large", f"a line of more than {limits.line_bytes} bytes")
    return line


def _error_text(body: bytes) -> str:
    """What a server says of its error: `{"error": "…"}`, `{"error": {"message": "…"}}`, or text."""
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
