"""`mlxbench probe` in process, on Ollama and on an OpenAI-compatible server."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlxbench import acrostic
from mlxbench.records import Completed
from mlxbench.store import Store
from tests.cli.invoke import COMMAND, Outcome, environment
from tests.engines.mlx_server import mlx_server
from tests.ollama_double import Behaviour, ModelCard, OllamaDouble

Invoke = Callable[..., Outcome]
SHORT = ("--token-budget", "12", "--budget", "2")
RIGHT = "It spells: FOMO is your worst enemy."
KEYS = {
    *("model", "engine", "suite", "samples", "passes", "wilson", "truncated", "grades"),
    *("false_positives", "seed_verdict"),
}


def document(outcome: Outcome, code: int = 0) -> Any:
    assert outcome.code == code, outcome.err
    return json.loads(outcome.out)["probe"]


def saying(text: str) -> Behaviour:
    """A model that says the same to everything."""
    pieces = tuple(word.encode() for word in re.findall(r"\s*\S+", text))
    return Behaviour(token_s=0.0005, pieces=pieces, stop_after=len(pieces))


def db(tmp_path: Path) -> tuple[str, str]:
    return ("--db", str(tmp_path / "r.sqlite"))


def test_speed_and_skill_come_in_one_row(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "--model", "tiny-moe", "--samples", "2", *SHORT, *db(tmp_path))
    outcome = mlxbench(*command)
    assert outcome.code == 0, outcome.err
    (row,) = [line for line in outcome.out.splitlines() if line.startswith("tiny-moe")][:1]
    assert re.search(r"fomo +[\d.]+ +([\d.]+ %|–) +FAIL +0 of 2 +0–66 %", row), row
    assert "2 × cut by the token budget" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "2 replies of at most 12 tokens" in outcome.err


def test_the_document_has_what_scripts_rely_on(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "--model", "tiny-moe", "--samples", "2", *SHORT, *db(tmp_path))
    found = document(mlxbench(*command, "--json"))
    assert found.keys() >= KEYS
    assert (found["model"], found["engine"], found["suite"]) == ("tiny-moe", "mlx", "fomo")
    assert (found["samples"], found["passes"], found["truncated"]) == (2, 0, 2)
    assert found["wilson"] == pytest.approx([0, 0.6576], abs=1e-3)
    assert found["grades"] == {"0": 0, "1": 0, "2": 0, "3": 0, "TRUNCATED": 2}
    assert (found["false_positives"], found["seed_verdict"]) == (None, "FAIL")
    assert found["decode_tps"]["value"] > 0


def test_the_verdict_stands_beside_the_rate_of_the_same_weights(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    command = ("probe", "--model", "tiny-moe", "--samples", "2", *SHORT, *db(tmp_path))
    run_id = document(mlxbench(*command, "--json"))["run_id"]
    decode = ("decode", "-p", "8", "-g", "4", "-r", "1", "--warmup", "0", *db(tmp_path))
    assert mlxbench(*decode, "--model", "tiny-dense").code == 0
    listed = mlxbench("results", "list", *db(tmp_path)).out.splitlines()
    verdicts = {line.split()[1].rstrip("*"): line.split()[-2:] for line in listed if "tg" in line}
    assert verdicts["tiny-moe"] == ["FAIL", "0/2"]
    assert verdicts["tiny-dense"][-1] == "–"
    rows = list(csv.DictReader(io.StringIO(mlxbench("results", "export", *db(tmp_path)).out)))
    (rate,) = [row for row in rows if row["model"] == "tiny-moe" and row["decode_tps"]]
    assert (rate["probe_verdict"], rate["probe_passes"], rate["probe_replies"]) == (
        "FAIL",
        "0",
        "2",
    )
    assert rate["probe_run_id"] == run_id
    assert "FAIL 0/2 (0–66 %)" in mlxbench("results", "export", "--format", "md", *db(tmp_path)).out


def test_greedy_is_one_sample(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "--model", "tiny-moe", "--temperature", "0", "--samples", "20", "--no-rate")
    outcome = mlxbench(*command, *SHORT, *db(tmp_path), "--json")
    assert document(outcome)["samples"] == 1
    assert "greedy replies do not differ" in outcome.err


def test_every_suite_gets_its_own_row(mlxbench: Invoke, tmp_path: Path) -> None:
    with OllamaDouble(saying(RIGHT), (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        outcome = mlxbench(*command, "--suite", "all", "--samples", "1", *db(tmp_path), "--json")
    assert outcome.code == 0, outcome.err
    whole = json.loads(outcome.out)
    found = {one["suite"]: one for one in whole["probe"]}
    assert list(found) == ["fomo", "ladder", "heldout", "controls"]
    for suite, one in found.items():
        expected = 1 if suite == "fomo" else len(acrostic.suite(suite))
        assert one["samples"] == expected
    assert found["fomo"]["passes"] == 1
    assert found["heldout"]["passes"] == 0  # the same phrase is a wrong one there
    assert found["controls"]["false_positives"] == len(acrostic.suite("controls"))
    assert whole["gaps"][0]["fomo_minus_heldout"]["value"] == 1


def test_arms_expand_to_their_product(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "--model", "tiny-moe", "--experts", "1,2", "--thinking", "both")
    outcome = mlxbench(*command, "--samples", "1", *SHORT, "--no-rate", *db(tmp_path), "--json")
    found = document(outcome)
    assert [(one["routing"]["top_k"], one["thinking"]) for one in found] == [
        *((1, True), (1, False)),
        *((2, True), (2, False)),
    ]
    assert [one["sampler"]["temperature"] for one in found] == [0.6, 0.7, 0.6, 0.7]


def test_banned_and_pinned_experts_change_replies_and_zero_biases_do_not(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    def reply(*options: str) -> Any:
        command = ("probe", "--model", "tiny-moe", "--temperature", "0", "--no-rate", *options)
        run_id = document(mlxbench(*command, *SHORT, *db(tmp_path), "--json"))["run_id"]
        with Store.open(tmp_path / "r.sqlite") as store:
            (record,) = store.run(run_id).trials
        assert isinstance(record.trial, Completed)
        return record.trial.tokens

    stock = reply()
    assert reply("--promote", "*:0=0,*:3=0") == stock
    assert reply("--promote", "*:0=0", "--bias-on", "logits") == stock
    assert reply("--ban", "*:0,*:1,*:2,*:3") != stock
    assert reply("--pin", "*:0") != stock


def test_ollama_is_asked_through_its_chat_with_the_same_budget(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    with OllamaDouble(saying(RIGHT), (ModelCard("qwen3:30b-a3b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "qwen3:30b-a3b", "--url", ollama.url)
        settings = ("--samples", "3", *db(tmp_path))
        found = document(mlxbench(*command, *settings, "--json"))
        shown = mlxbench(*command, *settings)
    assert (found["samples"], found["passes"], found["verdict"]) == (3, 3, "PASS")
    assert found["decode_tps"]["value"] > 0  # of its replies
    assert "3 of 3" in shown.out
    assert "(published)" in shown.out
    (published,) = [line for line in shown.out.splitlines() if "72.1" in line]
    assert re.search(r"72\.1 .*FAIL +0 of 1 +0–79 %", published), published
    bodies = [asked.body for asked in ollama.asked("chat")]
    assert bodies[0]["messages"][0]["content"].startswith("What's the significance of this piece?:")
    assert {body["options"]["num_predict"] for body in bodies} == {16_384}
    assert [body["options"]["seed"] for body in bodies] == [0, 1, 2, 0, 1, 2]


def test_an_openai_server_is_asked_like_the_others(
    mlxbench: Invoke, tiny_moe: Path, tmp_path: Path
) -> None:
    with mlx_server(tiny_moe, tmp_path) as url:
        command = ("probe", "--engine", "openai", "--model", str(tiny_moe), "--url", url)
        found = document(mlxbench(*command, "--samples", "2", *SHORT, *db(tmp_path), "--json"))
    assert (found["engine"], found["samples"], found["truncated"]) == ("openai", 2, 2)


def test_the_scripts_prompt_holds_a_backslash_and_an_n(mlxbench: Invoke, tmp_path: Path) -> None:
    with OllamaDouble(saying("no"), (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        mlxbench(*command, "--prompt", "script", "--samples", "1", *db(tmp_path))
    (asked,) = ollama.asked("chat")
    assert asked.body["messages"][0]["content"].endswith(
        "greatness.\\n\\nWhat's the significance of this piece?:"
    )


def test_an_old_ollama_cannot_be_told_to_think(mlxbench: Invoke, tmp_path: Path) -> None:
    with OllamaDouble(Behaviour("0.6.6"), (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        outcome = mlxbench(*command, "--thinking", "off", "--samples", "1", *db(tmp_path))
    assert outcome.code == 2
    assert "Ollama 0.6.6 has no switch for thinking" in outcome.err


def test_a_hostile_reply_moves_no_cursor(mlxbench: Invoke, tmp_path: Path) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 The letters spell =HYPERLINK() \u202e IS YOUR WORST ENEMY"
    with OllamaDouble(saying(hostile), (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        found = document(mlxbench(*command, "--samples", "1", *db(tmp_path), "--json"))
    outputs = [
        mlxbench("results", "show", found["run_id"], *db(tmp_path)).out,
        mlxbench("results", "show", found["run_id"], "--reply", "0", *db(tmp_path)).out,
        mlxbench("results", "list", *db(tmp_path)).out,
        mlxbench("results", "export", *db(tmp_path)).out,
    ]
    for shown in outputs:
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    assert "HYPERLINK" in outputs[1]
    with Store.open(tmp_path / "r.sqlite") as store:
        trial = store.run(found["run_id"]).trials[0].trial
    assert isinstance(trial, Completed)
    assert trial.text == hostile  # kept raw


def test_a_reply_that_does_not_exist_is_said(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("probe", "--model", "tiny-moe", "--samples", "1", *SHORT, "--no-rate")
    run_id = document(mlxbench(*command, *db(tmp_path), "--json"))["run_id"]
    outcome = mlxbench("results", "show", run_id, "--reply", "7", *db(tmp_path))
    assert outcome.code == 2
    assert "has no reply 7" in outcome.err


def test_missing_replies_are_an_exit_code_of_one(mlxbench: Invoke, tmp_path: Path) -> None:
    broken = Behaviour(fault="error_status", fault_at=frozenset({"chat"}))
    with OllamaDouble(broken, (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        outcome = mlxbench(*command, "--samples", "5", *db(tmp_path))
    assert outcome.code == 1
    assert "5 replies are missing" in outcome.out


def interrupted(arguments: Sequence[str], home: Path, ready: Callable[[], bool]) -> Outcome:
    """A command that gets Ctrl-C as soon as `ready`."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out, err)


def test_ctrl_c_loses_no_reply_and_the_same_command_goes_on(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    slow = Behaviour(token_s=0.05, pieces=(b"no",), stop_after=4)
    path = tmp_path / "r.sqlite"

    def some_are_there() -> bool:
        if not path.exists():
            return False
        with Store.open(path, create=False) as store:
            return any(len(store.run(run.run_id).trials) >= 2 for run in store.runs())

    with OllamaDouble(slow, (ModelCard("m:1b"),)) as ollama:
        command = ("probe", "--engine", "ollama", "--model", "m:1b", "--url", ollama.url)
        whole = (*command, "--samples", "8", *db(tmp_path), "--json")
        broken = interrupted(whole, tmp_path, some_are_there)
        assert broken.code == 130, broken.err
        with Store.open(path, create=False) as store:
            (run,) = store.runs()
            kept = len([t for t in store.run(run.run_id).trials if isinstance(t.trial, Completed)])
        assert run.status == "aborted"
        assert 2 <= kept < 8
        before = len(ollama.asked("chat"))
        outcome = mlxbench(*whole)
    found = document(outcome)
    assert (found["run_id"], found["samples"], found["missing"]) == (run.run_id, 8, 0)
    assert f"goes on with {kept} kept replies" in outcome.err
    assert len(ollama.asked("chat")) - before == 8 - kept


def test_a_command_without_a_model_says_what_is_missing(mlxbench: Invoke) -> None:
    outcome = mlxbench("probe")
    assert outcome.code == 2
    assert "Missing option '--model'" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ban", "3"), "'3' is no expert"),
        (("--ban", "1:2=4"), "'1:2=4' is no expert"),
        (("--promote", "1:2"), "'1:2' is no expert"),
        (("--promote", "1:2=nan"), "'1:2=nan' is no expert"),
        (("--pin", "x:2"), "'x:2' is no expert"),
        (("--experts", "99"), "99"),
        (("--ban", "*:99"), "99"),
        (("--ban", "77:0"), "77"),
        (("--suite", "poem"), "'poem' is not one of"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    mlxbench: Invoke, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("probe", "--model", "tiny-moe", *SHORT, *arguments, *db(tmp_path))
    assert outcome.code == 2, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_a_dense_model_has_no_experts_to_ban(mlxbench: Invoke, tmp_path: Path) -> None:
    outcome = mlxbench("probe", "--model", "tiny-dense", *SHORT, "--ban", "*:1", *db(tmp_path))
    assert outcome.code == 2, outcome.err
    assert "Traceback" not in outcome.err
