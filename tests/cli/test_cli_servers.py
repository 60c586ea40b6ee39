"""Measuring servers from the command line, against doubles of Ollama on loopback."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxbench.tokenizer import Tokenizer
from tests.cli.invoke import Outcome
from tests.ollama_double import Behaviour, ModelCard, OllamaDouble

Invoke = Callable[..., Outcome]
SIZE = ("-p", "24", "-g", "8")
QUICK = (*SIZE, "--pairs", "4", "--budget", "4")


@pytest.fixture
def ollama(tiny_dense: Path) -> Iterator[OllamaDouble]:
    """Ollama with the model that the registry calls tiny-dense, under its own name."""
    behaviour = Behaviour(encode=Tokenizer(tiny_dense).encode, token_s=0.002, sample_s=0.0)
    cards = (ModelCard("tiny-dense"), ModelCard("other:1b"))
    with OllamaDouble(behaviour, cards) as double:
        yield double


def document(outcome: Outcome, code: int = 0) -> dict[str, Any]:
    assert outcome.code == code, outcome.err
    loaded = json.loads(outcome.out)
    assert isinstance(loaded, dict)
    return loaded


def flat(text: str) -> str:
    return " ".join(text.split())


def error_line(outcome: Outcome, code: int) -> str:
    assert outcome.code == code, (outcome.out, outcome.err)
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in outcome.err
    return line


def test_ab_compares_a_model_in_process_with_the_same_one_on_ollama(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"))
    outcome = mlxbench("ab", "--model", "tiny-dense", "--url", ollama.url, *QUICK, *db, "--json")
    made = document(outcome)["comparison"]
    mlx, served = made["arms"]
    assert (mlx["target"]["engine"], served["target"]["engine"]) == ("mlx", "ollama")
    assert mlx["task"] == served["task"]
    assert served["tps"]["value"] == pytest.approx(500, rel=0.1)
    native, common = made["sides"][1]["native_tps"]["value"], served["tps"]["value"]
    assert native / common == pytest.approx(8 / 7, rel=0.02)
    assert made["verdict"] in ("faster", "slower", "inconclusive", "equivalent")
    assert made["pairs"] == 4
    assert made["differencing"]["tps"]["value"] == pytest.approx(500, rel=0.25)
    assert made["greedy_agreement"][0]["pairs"] == 4
    prompts = [request.body["prompt"] for request in ollama.asked("generate")]
    assert len(set(prompts)) == len(prompts)


def test_ab_in_words_names_each_sides_rule_and_format_within_80_columns(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"))
    base = ("ab", "--model", "tiny-dense", "--url", ollama.url, "--no-check")
    outcome = mlxbench(*base, *QUICK, *db)
    assert outcome.code == 0, outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    said = flat(outcome.out)
    assert "ollama:tiny-dense, pp24+tg8" in said
    assert "Ollama divides N tokens by the N-1 forwards after the first" in said
    assert "mlx-lm divides N tokens by the N-1 intervals between them" in said
    assert "Q4_K_M" in said
    assert "greedy replies of A and B are the same in 0 of 4 pairs" in said


def test_no_two_runs_send_a_server_the_same_prompt(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"))
    base = ("ab", "--model", "tiny-dense", "--url", ollama.url, "--no-check")
    for _ in range(2):
        assert mlxbench(*base, *QUICK, *db).code == 0
    prompts = [request.body["prompt"] for request in ollama.asked("generate")]
    assert len(set(prompts)) == len(prompts)


def test_two_servers_of_one_kind_can_be_compared(
    mlxbench: Invoke, ollama: OllamaDouble, tiny_dense: Path, tmp_path: Path
) -> None:
    behaviour = Behaviour("0.6.6", encode=Tokenizer(tiny_dense).encode, token_s=0.004, sample_s=0.0)
    with OllamaDouble(behaviour, (ModelCard("tiny-dense"),)) as slower:
        arms = [f"ollama:tiny-dense,url={double.url}" for double in (ollama, slower)]
        db = ("--db", str(tmp_path / "r.sqlite"))
        made = document(mlxbench("compare", *arms, *QUICK, *db, "--json"))["comparison"]
    assert made["verdict"] == "slower"
    assert made["ratio"]["value"] == pytest.approx(0.5, rel=0.1)
    assert made["greedy_agreement"] == []


def test_decode_measures_a_server_alone(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"))
    command = ("decode", "--engine", "ollama", "--model", "tiny-dense", "--url", ollama.url)
    (result,) = document(mlxbench(*command, *SIZE, "-r", "3", *db, "--json"))["results"]
    assert result["workload"]["kind"] == "request"
    assert result["decode_tps"]["value"] == pytest.approx(500, rel=0.1)
    assert result["prefill_tps"]["value"] > 0
    assert result["native"]["rule"].startswith("Ollama divides")
    shown = flat(mlxbench("results", "show", result["run_id"], *db).out)
    assert "pp24+tg8" in shown
    native = result["native"]["decode_tps"]
    assert f"native: {native:.4g} tok/s (n = 3); Ollama divides N tokens by the N-1" in shown


def test_prefill_measures_a_server_too(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    db = ("--db", str(tmp_path / "r.sqlite"))
    command = ("prefill", "--engine", "ollama", "--model", "tiny-dense", "--url", ollama.url)
    (result,) = document(mlxbench(*command, "-p", "24", "-r", "3", *db, "--json"))["results"]
    assert result["ttft_s"]["value"] > 0


def test_the_lab_notes_procedure_runs_on_ollama_beside_its_figures(
    mlxbench: Invoke, tiny_dense: Path, tmp_path: Path
) -> None:
    behaviour = Behaviour("0.6.6", encode=Tokenizer(tiny_dense).encode, token_s=0.0005)
    with OllamaDouble(behaviour, (ModelCard("qwen3:30b-a3b"),)) as ollama:
        outcome = mlxbench(
            *("decode", "--engine", "ollama", "--workload", "lab-note"),
            *("--model", "qwen3:30b-a3b", "--url", ollama.url),
            *("--db", str(tmp_path / "r.sqlite")),
        )
    assert outcome.code == 0, outcome.err
    assert "72.1" in outcome.out
    chats = ollama.asked("chat")
    assert len(chats) == 4  # one warm-up, three trials
    prompts = {request.body["messages"][0]["content"] for request in chats}
    assert len(prompts) == 4
    assert all(
        p.startswith("Explain mixture-of-experts routing in three bullets.") for p in prompts
    )
    assert {request.body["options"]["num_predict"] for request in chats} == {512}


def test_another_loaded_model_is_refused_or_set_aside(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    from tests.ollama_double.client import post

    post(ollama, {"model": "other:1b", "keep_alive": 600})
    command = ("decode", "--engine", "ollama", "--model", "tiny-dense", "--url", ollama.url)
    settings = (*SIZE, "-r", "2", "--db", str(tmp_path / "r.sqlite"))
    refused = error_line(mlxbench(*command, *settings), 1)
    assert "other:1b" in refused
    assert "--unload" in refused
    assert mlxbench(*command, *settings, "--unload").code == 0
    assert [resident.card.name for resident in ollama.residents] == ["other:1b"]


def test_sessions_in_workers_leave_the_server_as_it_was(
    mlxbench: Invoke, ollama: OllamaDouble, tiny_dense: Path, tmp_path: Path
) -> None:
    from tests.ollama_double.client import post

    post(ollama, {"model": "other:1b", "keep_alive": 600})
    arm = f"ollama:tiny-dense,url={ollama.url},tokenizer={tiny_dense}"
    settings = ("--sessions", "2", "--unload", "--no-check", "--db", str(tmp_path / "r.sqlite"))
    outcome = mlxbench("compare", arm, arm, *QUICK, *settings, "--json")
    assert len(document(outcome)["comparison"]["sessions"]) == 2
    assert [resident.card.name for resident in ollama.residents] == ["other:1b"]


def test_servers_are_asked_before_anything_is_loaded(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("ab", "--model", "tiny-dense", "--url", "127.0.0.1:9")
    outcome = mlxbench(*command, "--db", str(tmp_path / "r.sqlite"))
    assert "nothing answers at http://127.0.0.1:9" in error_line(outcome, 1)
    assert outcome.err.count("loading") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--engine", "ollama", "--synthetic"), "measures what the server holds"),
        (("--engine", "ollama", "--layers", "1"), "measures what the server holds"),
        (("--engine", "ollama", "--prefill-step-size", "64"), "chooses its own prefill step"),
        (("--url", "127.0.0.1"), "are for servers; add --engine ollama"),
        (("--unload",), "are for servers; add --engine ollama"),
    ],
)
def test_what_would_be_ignored_is_refused(
    mlxbench: Invoke, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    command = ("decode", "--model", "tiny-dense", "--db", str(tmp_path / "r.sqlite"))
    assert reason in error_line(mlxbench(*command, *arguments), 2)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--url", "192.0.2.7"), 2, "is not on this machine; .*--allow-remote"),
        (("--url", "ftp://127.0.0.1"), 2, "is no server's address"),
        (("--engine", "openai"), 2, "no address was given"),
        (("-d", "8"), 2, "Ollama cannot do depth 8"),
        (("-b", "2"), 2, "Ollama cannot do batch size 2"),
        (("--mode", "stepped"), 2, "Ollama cannot do stepped mode"),
        (("--kv-bits", "8"), 2, "Ollama cannot quantise the KV cache"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    mlxbench: Invoke, tmp_path: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    command = ("decode", "--engine", "ollama", "--model", "tiny-dense")
    line = error_line(mlxbench(*command, *arguments, "--db", str(tmp_path / "r.sqlite")), code)
    assert re.search(reason, line), line


def test_nobody_listening_is_said_with_what_to_do(mlxbench: Invoke, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ("decode", "--engine", "ollama", "--model", "tiny-dense", "--url", f":{port}")
    line = error_line(mlxbench(*command, "--db", str(tmp_path / "r.sqlite")), 1)
    assert "nothing answers at http://127.0.0.1" in line
    assert "ollama serve" in line


def test_a_model_without_a_tokenizer_here_is_said_with_what_to_do(
    mlxbench: Invoke, ollama: OllamaDouble, tmp_path: Path
) -> None:
    command = ("decode", "--engine", "ollama", "--model", "other:1b", "--url", ollama.url)
    line = error_line(mlxbench(*command, *SIZE, "--db", str(tmp_path / "r.sqlite")), 2)
    assert "no tokenizer is known for other:1b" in line
