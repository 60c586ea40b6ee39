"""An exchange ends in time and in bounds, whatever the server does."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mlxbench.http_client import Client, Limits, ServerFault
from tests.http_client.raw_server import Behaviour, answer, drip, raw_server, sent, silence

OK = b"HTTP/1.1 200 OK\r\n\r\n"
LONG = Limits(total_s=20, idle_s=10)
SHORT = Limits(total_s=0.6, idle_s=0.25, line_bytes=1000, body_bytes=5000)


def fault(behave: Behaviour, limits: Limits = SHORT, key: str | None = None) -> ServerFault:
    """What comes of streaming from such a server."""
    with raw_server(behave) as address, pytest.raises(ServerFault) as caught:
        client = Client(address, key)
        try:
            with client.stream("/x", {"a": 1}, limits) as lines:
                list(lines)
        finally:
            client.close()
    return caught.value


def test_lines_come_with_the_time_of_their_arrival() -> None:
    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(OK + b"one\ntw")
        time.sleep(0.1)
        connection.sendall(b"o\nthree")

    with raw_server(behave) as address, Client(address).stream("/x", {}, LONG) as lines:
        found = list(lines)
    assert [line.content for line in found] == [b"one", b"two", b"three"]
    assert found[1].at - found[0].at >= 0.09


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", OK])
def test_a_drip_ends_at_the_total_deadline_in_headers_and_body(head: bytes) -> None:
    began = time.monotonic()
    found = fault(drip(head, every_s=0.05))
    assert found.reason in ("timeout", "connection")
    assert time.monotonic() - began < SHORT.total_s + 0.5
    if head:
        assert "was not done after 0.6 s" in found.message


@pytest.mark.parametrize("head", [b"", OK, OK + b"a line\n"])
def test_silence_ends_at_the_idle_deadline(head: bytes) -> None:
    began = time.monotonic()
    found = fault(silence(head))
    assert (found.reason, "was silent for 0.25 s" in found.message) == ("timeout", True)
    assert time.monotonic() - began < SHORT.total_s


@pytest.mark.parametrize(
    ("body", "what"), [(b"y" * 1200, "a line of more than"), (b"yy\n" * 2000, "an answer of more")]
)
def test_lines_and_bodies_have_a_largest_size(body: bytes, what: str) -> None:
    found = fault(sent(OK + body))
    assert found.reason == "too_large"
    assert what in found.message


def test_no_redirect_is_followed() -> None:
    found = fault(answer("302 Found", b"", "Location: http://127.0.0.1:9/elsewhere"))
    assert (found.reason, "redirects" in found.message) == ("http_error", True)


def test_nobody_listening_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with raw_server(silence()) as address:
        nobody = type(address)("http", "127.0.0.1", port)
    with pytest.raises(ServerFault, match="nothing answers at http"):
        Client(nobody).get("/x")


def test_a_connection_that_dies_is_a_fault() -> None:
    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    assert fault(behave).reason == "connection"


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with raw_server(answer("200 OK", b'{"direct": true}')) as address:
        assert Client(address).get("/x") == {"direct": True}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "model not found"}', "model not found"),
        (b'{"error": {"message": "no such model"}}', "no such model"),
        (b"<html>\x1b[31mno</html>", "<html> [31mno</html>"),
        (b"[" * 50_000, "[[["),
        (b"", ""),
    ],
)
def test_an_error_is_told_in_the_servers_words_made_harmless(body: bytes, said: str) -> None:
    found = fault(answer("404 Not Found", body))
    assert found.reason == "http_error"
    assert found.message.startswith("HTTP 404 from http://127.0.0.1")
    assert said in found.message
    assert found.message.isprintable()
    assert len(found.message) < 400


def test_a_key_that_the_server_echoes_is_not_passed_on() -> None:
    key = "canary-5b2f"
    found = fault(answer("401 Unauthorized", f'{{"error": "bad key {key}"}}'.encode()), key=key)
    assert key not in found.message
    assert "bad key ***" in found.message


@pytest.mark.parametrize("body", [b"", b"[1]", b"null", b'"x"', b"{", b'{"a": NaN}', b"\xff\xfe"])
def test_only_a_json_object_is_an_answer(body: bytes) -> None:
    with (
        raw_server(answer("200 OK", body)) as address,
        pytest.raises(ServerFault, match="is no JSON object") as caught,
    ):
        Client(address).get("/x")
    assert caught.value.reason == "bad_reply"


def test_leaving_early_closes_the_connection() -> None:
    closed = threading.Event()

    def behave(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(OK)
        try:
            while not stopped.wait(0.01):
                connection.sendall(b"line\n")
        except OSError:
            closed.set()

    with raw_server(behave) as address:
        client = Client(address)
        with client.stream("/x", {}, LONG) as lines:
            next(lines)
        assert closed.wait(3)
