"""What the doctor says of Ollama, asked over HTTP as it is."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from mlxbench.doctor.finding import Finding
from mlxbench.doctor.servers import ollama
from mlxbench.engines.ollama.api import Resident
from mlxbench.errors import InputError
from tests.ollama_double import Behaviour, Canned, ModelCard, OllamaDouble
from tests.ollama_double.client import post

GIB = 1 << 30


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize("version", ["0.6.6", "0.24.0", "0.32.15"])
def test_an_ollama_that_holds_nothing_is_fine(version: str) -> None:
    with OllamaDouble(Behaviour(version)) as double:
        assert ollama(double.url) == Finding("ollama", "ok", f"{version} runs and holds no model")
        assert {request.method for request in double.requests} == {"GET"}


def test_loaded_models_are_named_the_largest_first_with_how_to_stop_them() -> None:
    cards = (ModelCard("small:1b", size=2 * GIB), ModelCard("large:9b", size=9 * GIB))
    with OllamaDouble(models=cards) as double:
        for card in cards:
            post(double, {"model": card.name, "keep_alive": 60})
        found = ollama(double.url)

    assert found.status == "warning"
    assert found.value.index("large:9b (9") < found.value.index("small:1b (2")
    assert found.advice == "`ollama stop large:9b` and `ollama stop small:1b`"


def test_the_server_of_the_environment_is_asked_where_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OllamaDouble() as double:
        monkeypatch.setenv("OLLAMA_HOST", double.url)
        assert "runs and holds no model" in ollama(None).value


def test_no_server_is_fine_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("OLLAMA_HOST", nowhere)

    assert ollama(None).status == "ok"
    assert ollama(nowhere).status == "warning"
    assert "ollama serve" in ollama(nowhere).advice


def test_a_server_on_another_machine_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.1")

    assert ollama(None).status == "unknown"
    with pytest.raises(InputError, match="not on this machine") as refused:
        ollama("192.0.2.1")
    assert "--allow-remote" not in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"[]", b"{}", b'{"version": 5}', b"\xff", b""]
)
def test_something_else_that_answers_is_said_to_be_no_ollama(body: bytes) -> None:
    canned = Behaviour(fault="canned", fault_at=frozenset({"version"}), canned=Canned(body=body))
    with OllamaDouble(canned) as double:
        found = ollama(double.url)

    assert found.status == "warning"
    assert "no Ollama" in found.value


def test_a_server_that_never_answers_costs_about_a_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        found = ollama(f"127.0.0.1:{silent.getsockname()[1]}")

    assert time.monotonic() - began < 2.5
    assert found.status == "warning"


def test_names_of_models_are_harmless_and_their_number_is_bounded() -> None:
    from mlxbench.doctor.servers import residents

    one = Resident("x" * 500 + "\x1b[2J", 1, 1, 60.0, None)
    found = residents("0.1\n\x1b[31m", [replace(one, size=size) for size in range(9)])

    assert "\x1b" not in found.value + found.advice
    assert "\n" not in found.value
    assert len(found.value) < 600
    assert found.value.endswith(", …")
