"""A server that does to each connection what a test tells it, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mlxbench.http_client import Address

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def raw_server(behave: Behaviour) -> Iterator[Address]:
    """Serve on a free loopback port until the block ends; `behave` gets a socket and 'stopped'."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, behave, stopped), daemon=True)
        thread.start()
        try:
            yield Address("http", "127.0.0.1", listener.getsockname()[1])
        finally:
            stopped.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def answer(status: str, body: bytes, *headers: str) -> Behaviour:
    """The same whole answer to every request, then the end of the connection."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return sent("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def sent(content: bytes) -> Behaviour:
    """These bytes, whatever is asked."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(content)

    return behave


def drip(head: bytes, every_s: float) -> Behaviour:
    """A beginning, and then a byte now and then for ever."""

    def behave(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(head)
        while not stopped.wait(every_s):
            connection.sendall(b"x")

    return behave


def silence(head: bytes = b"") -> Behaviour:
    """A beginning, and then nothing."""

    def behave(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(head)
        stopped.wait()

    return behave


def _accept(listener: socket.socket, behave: Behaviour, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, behave, stopped), daemon=True).start()


def _serve(connection: socket.socket, behave: Behaviour, stopped: threading.Event) -> None:
    with connection, suppress(OSError):
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(1 << 16) or b"\r\n\r\n"
        behave(connection, stopped)
