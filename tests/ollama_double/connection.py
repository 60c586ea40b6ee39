"""Connections at the level of bytes: what Go would send, and ways to break off.

Threads are joined when the server is closed, so no test leaves one behind; whatever fails in one,
but for clients that go away, is kept in `failures`.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ollama_double.faults import NDJSON, Ending, Part
from tests.ollama_double.golang import SECOND_NS

RESET = struct.pack("ii", 1, 0)  # linger for 0 s: close with a reset
POLL_S = 0.01
GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


class Server(ThreadingHTTPServer):
    """The listening socket and its open connections."""

    daemon_threads = False

    def __init__(self, handler: type[Connection]) -> None:
        self.failures: list[BaseException] = []
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def drop_connections(self) -> None:
        """Wake every thread that reads or writes."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, GONE):
            self.failures.append(error)


class Connection(BaseHTTPRequestHandler):
    """One client; `closing` is set when the server is about to end."""

    protocol_version = "HTTP/1.1"
    closing: threading.Event
    redirect_to = ""
    authorization = ""
    request_body = b""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Print nothing."""

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.wfile.write(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """A status line and headers in one write, without what Go does not send."""
        phrase = HTTPStatus(status).phrase
        date = formatdate(usegmt=True)
        fields = "".join(f"{k}: {v}\r\n" for k, v in {**headers, "Date": date}.items())
        self.send(f"HTTP/1.1 {status} {phrase}\r\n{fields}\r\n".encode("latin-1"))

    def answer(
        self, status: int, content_type: str, body: bytes, more: Mapping[str, str] | None = None
    ) -> None:
        """A whole answer."""
        length = {"Content-Type": content_type, "Content-Length": str(len(body))}
        self.head(status, {**length, **(more or {})})
        self.send(body)

    def pause(self, seconds: float) -> bool:
        """Wait; true when the server is about to end."""
        return self.closing.wait(max(0.0, seconds))

    def silence(self) -> None:
        """Say nothing until the client has gone or the server ends."""
        while not self.pause(POLL_S):
            try:
                if self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                    return
            except BlockingIOError:
                continue

    def stream(self, parts: Iterator[Part], end: Ending) -> None:
        """The parts, each at its time, and then the ending."""
        self.head(200, {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"})
        for at_ns, data in parts:
            if self.pause((at_ns - time.time_ns()) / SECOND_NS):
                self.close_connection = True
                return
            if data:
                self.send(b"%x\r\n%s\r\n" % (len(data), data))
        if end == "proper":
            self.send(b"0\r\n\r\n")
        elif end == "silence":
            self.silence()
        else:
            self.close_connection = True
            if end == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                self.connection.close()
