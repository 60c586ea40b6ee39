"""`mlxbench lab-note` on tiny models: the whole table, broken off and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxbench.store import Store
from mlxbench.tokenizer import Tokenizer
from tests.cli.invoke import Outcome
from tests.ollama_double import Behaviour, ModelCard, OllamaDouble

Invoke = Callable[..., Outcome]
SHORT = ("--samples", "2", "--token-budget", "6", "--budget", "1")
MODELS_FILE = """
[[model]]
name = "tiny-moe"
ollama = "tiny-moe"

[[model.references]]
source = "the note"
engine = "Ollama 0.6.6"
machine = "M3 Ultra"
workload = "lab-note"
decode_tps = 72.1
probe = "FAIL"
"""


@pytest.fixture
def ollama(tiny_moe: Path) -> Iterator[OllamaDouble]:
    encode = Tokenizer(tiny_moe).encode
    behaviour = Behaviour(encode=encode, token_s=0.0005, sample_s=0.0)
    with OllamaDouble(behaviour, (ModelCard("tiny-moe"), ModelCard("tiny-dense"))) as double:
        yield double


@pytest.fixture
def base(tmp_path: Path, ollama: OllamaDouble) -> tuple[str, ...]:
    models = tmp_path / "models.toml"
    models.write_text(MODELS_FILE)
    db = ("--db", str(tmp_path / "r.sqlite"), "--models-file", str(models))
    return ("lab-note", "--models", "tiny-moe,tiny-dense", "--url", ollama.url, *SHORT, *db)


def rows(outcome: Outcome, code: int = 0) -> list[dict[str, Any]]:
    assert outcome.code == code, outcome.err
    found = json.loads(outcome.out)["lab_note"]
    assert isinstance(found, list)
    return found


def test_every_model_on_every_engine_gets_a_row_beside_the_published_one(
    mlxbench: Invoke, base: tuple[str, ...]
) -> None:
    found = rows(mlxbench(*base, "--engines", "ollama", "--json"))
    assert [(row["model"], row["engine"]) for row in found] == [
        *(("tiny-moe", "ollama"), ("tiny-dense", "ollama")),
    ]
    for row in found:
        assert row["native_decode_tps"] > 0
        assert row["native_trials"] == 3
        assert row["decode_tps"]["value"] > 0
        assert row["probe"]["samples"] == 2
        assert row["failure"] is None
    assert found[0]["published"]["decode_tps"] == 72.1
    assert found[1]["published"] is None


def test_it_says_how_long_it_may_take_before_anything_is_loaded(
    mlxbench: Invoke, base: tuple[str, ...]
) -> None:
    only = ("--engines", "ollama", "--models", "tiny-dense")
    first = mlxbench(*base, *only)
    assert first.code == 0, first.err
    assert first.err.index("at most") < first.err.index("loading")
    again = mlxbench(*base, *only, "--afresh")
    assert "measured here" in again.err


def test_what_is_measured_is_not_measured_again(mlxbench: Invoke, base: tuple[str, ...]) -> None:
    only = ("--models", "tiny-moe", "--engines", "ollama")
    first = rows(mlxbench(*base, *only, "--json"))
    again = mlxbench(*base, *only, "--json")
    assert rows(again) == first
    assert "loading" not in again.err


def test_a_table_that_was_broken_off_goes_on_with_the_part_that_it_lacks(
    mlxbench: Invoke, base: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlxbench.engines.mlx import MlxLoaded

    reply_all = MlxLoaded.reply_all

    def interrupted(self: MlxLoaded, *arguments: Any) -> Iterator[Any]:
        yield next(reply_all(self, *arguments))
        raise KeyboardInterrupt

    only = ("--engines", "mlx,ollama", "--models", "tiny-moe")
    with monkeypatch.context() as patched:
        patched.setattr(MlxLoaded, "reply_all", interrupted)
        assert mlxbench(*base, *only).code == 130
    with Store.open(tmp_path / "r.sqlite") as store:
        before = {run.run_id: run.status for run in store.runs()}
    assert sorted(before.values()) == ["aborted", "done", "done"]
    row, served = rows(mlxbench(*base, *only, "--json"))
    assert set(row["run_ids"]) == set(before)  # the rates reused, the probe gone on with
    assert row["native_decode_tps"] > 0
    assert row["decode_tps"]["value"] > 0
    assert row["probe"]["samples"] == served["probe"]["samples"] == 2


def test_a_row_that_cannot_be_had_says_why_and_the_others_are_measured(
    mlxbench: Invoke, base: tuple[str, ...]
) -> None:
    only = ("--models", "missing:7b,tiny-moe", "--engines", "ollama")
    found = rows(mlxbench(*base, *only, "--json"), code=1)
    assert found[1]["failure"] is None
    assert found[1]["probe"]["samples"] == 2
    assert "missing:7b" in found[0]["failure"]
    (unknown,) = rows(mlxbench(*base, "--models", "nope", "--engines", "mlx", "--json"), code=1)
    assert "no model named" in unknown["failure"]


def test_the_table_fits_a_terminal_of_80_columns(mlxbench: Invoke, base: tuple[str, ...]) -> None:
    outcome = mlxbench(*base, "--models", "tiny-moe", "--engines", "ollama")
    assert outcome.code == 0, outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    (row,) = [line for line in outcome.out.splitlines() if " ollama " in line and "72.1" in line]
    assert "FAIL" in row
    assert "0/2" in row


def test_an_unknown_engine_is_refused(mlxbench: Invoke) -> None:
    outcome = mlxbench("lab-note", "--engines", "mlx,llama")
    assert outcome.code == 2
    assert "'llama' is no engine" in outcome.err
