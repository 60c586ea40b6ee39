"""Addresses are read as Ollama's own client reads them, and only this machine is trusted."""

from __future__ import annotations

import pytest

from mlxbench.errors import InputError
from mlxbench.http_client import ollama_address, parse_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("localhost", "http://localhost:11434"),
        ("http://localhost", "http://localhost:80"),
        ("https://localhost", "https://localhost:443"),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
        ("http://127.0.0.1:8080/ollama/", "http://127.0.0.1:8080/ollama"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5000", "http://127.0.0.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("::", "http://[::1]:11434"),
        ("127.8.9.1:66", "http://127.8.9.1:66"),
        (" 127.0.0.1:1 ", "http://127.0.0.1:1"),
    ],
)
def test_an_address_is_read_by_ollamas_rules(text: str, url: str) -> None:
    assert ollama_address(text, allow_remote=False).url == url


def test_a_port_that_is_none_is_the_default_in_the_environment_and_refused_when_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for text in ("127.0.0.1:http", "127.0.0.1:99999", "127.0.0.1:1143x"):
        monkeypatch.setenv("OLLAMA_HOST", text)
        assert ollama_address(None, allow_remote=False).port == 11434
        with pytest.raises(InputError, match="has no port from 0 to 65535"):
            ollama_address(text, allow_remote=False)


def test_without_a_name_the_environment_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ' "127.0.0.1:7777" ')
    assert ollama_address(None, allow_remote=False).url == "http://127.0.0.1:7777"
    assert ollama_address("127.0.0.1:1", allow_remote=False).url == "http://127.0.0.1:1"
    monkeypatch.delenv("OLLAMA_HOST")
    assert ollama_address(None, allow_remote=False).url == "http://127.0.0.1:11434"


@pytest.mark.parametrize(
    "text", ["10.0.0.7", "example.com", "http://192.0.2.1:80", "localhost.example.com", "[fe80::1]"]
)
def test_another_machine_is_refused_unless_it_was_allowed(text: str) -> None:
    with pytest.raises(InputError, match=r"not on this machine; .*--allow-remote"):
        parse_address(text, 11434, allow_remote=False)
    assert not parse_address(text, 11434, allow_remote=True).is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "ftp://127.0.0.1",
        "http://user:pw@127.0.0.1",
        "127.0.0.1/a?b=c",
        "a b",
        "http://\x1b[31m",
        "é",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="is no server's address; write host:port") as caught:
        parse_address(text, 11434, allow_remote=True)
    assert str(caught.value).isprintable()
