"""A store of any released version stays readable for ever.

`tests/data/store_v1.sqlite` was made once, by adding `VERSION_1_RUNS` to a new store, and is never
made again: when the schema changes, a file of the new version joins it.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.records import (
    SCHEMA_VERSION,
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Failed,
    Generate,
    Message,
    Notice,
    Options,
    Run,
    Sampler,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.store import Store, TrialFacts
from mlxbench.store.connecting import connect, transaction
from mlxbench.store.schema import STEPS, bring_up_to_date

GOLDEN_FILE = Path(__file__).parents[1] / "data" / "store_v1.sqlite"
UTC = "2026-11-23T04:15:22Z"

DECODE = Run(
    run_id="20261123-041522-a3f9",
    created_utc=UTC,
    command="mlxbench decode --model qwen3-30b-a3b -b 2",
    arm=Arm(
        Target("mlx", "qwen3-30b-a3b", "models/qwen3-30b-a3b", python="python3.12"),
        Timed("decode", 512, 3, 4096, 2, "stepped", Sampler(0.7, 0.8, 20, 42)),
        Options(1024, 8, 32),
    ),
    workload="natural text",
    environment=Environment(
        os="macOS",
        memory_bytes=549_755_813_888,
        versions={"mlx": "0.32.4", "python": "3.12.1"},
        variables={"MLX_MAX_OPS_PER_BUFFER": "50"},
        load_1m=0.5,
        low_power_mode=False,
    ),
    checkpoint=Checkpoint(
        name="qwen3-30b-a3b",
        source="registry",
        directory="models/qwen3-30b-a3b",
        repository="owner/name",
        revision="0123abc",
        fingerprint="f" * 64,
        weight_bytes=17_180_000_000,
        bits_per_weight=4.5,
        quantization={"": {"bits": 4, "group_size": 64}, "lm_head": False},
        model_type="qwen3_moe",
    ),
    status="done",
    load_s=12.5,
    predicted_memory_bytes=18_000_000_000,
    notices=(Notice("load_high", "load is 3.0", "close other programs"),),
    trials=(
        TrialRecord(
            0,
            "warmup",
            UTC,
            Completed("device", (0.5, 0.53, 0.55), 0.6, 512, 3, 2, "length"),
        ),
        TrialRecord(
            1,
            "measured",
            UTC,
            Completed(
                clock="device",
                stamps=(0.5, 0.52, 0.54),
                duration_s=0.55,
                prompt_tokens=512,
                generated_tokens=3,
                batch_size=2,
                finish_reason="length",
                prefill_kv_s=0.45,
                peak_memory_bytes=18_123_456_789,
                tokens=((7, 8, 9), (10, 151_935)),
                text="naïve 模型",
                native={"decode_tps": 75.0},
                notices=(Notice("low_diversity", "2 distinct tokens", "look at the text"),),
            ),
        ),
        TrialRecord(2, "measured", UTC, Failed("out_of_memory", "no room for 2 GB", 0.1)),
    ),
)
CHAT = Run(
    run_id="20261123-041600-0001",
    created_utc="2026-11-23T04:16:00Z",
    command="mlxbench probe --model qwen3:0.6b",
    arm=Arm(
        Target("ollama", "qwen3:0.6b", "loopback", synthetic=False),
        Generate((Message("user", "hello"),), Sampler(), token_budget=100, thinking=False),
    ),
    workload="probe",
    environment=Environment(),
)
VERSION_1_RUNS = (DECODE, CHAT)


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """A copy of the golden file, since opening a store writes."""
    return Path(shutil.copy(GOLDEN_FILE, tmp_path / "store.sqlite"))


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def test_a_store_of_version_1_gives_back_every_record(old_store: Path) -> None:
    assert version_of(old_store) == 1
    with Store.open(old_store, create=False) as store:
        assert [store.run(run.run_id) for run in VERSION_1_RUNS] == list(VERSION_1_RUNS)
        assert store.runs() == [CHAT, replace(DECODE, trials=())]
        assert store.trial_facts() == {
            DECODE.run_id: TrialFacts(
                status=("completed", "out_of_memory"),
                t_first=(0.5, None),
                t_last=(0.54, None),
                generated_tokens=(3, None),
                prompt_tokens=(512, None),
                batch_size=(2, None),
                prefill_kv_s=(0.45, None),
                peak_memory_bytes=(18_123_456_789, None),
                native_decode_tps=(75.0, None),
                native_prefill_tps=(None, None),
            ),
            CHAT.run_id: TrialFacts(),
        }


def test_a_store_of_version_1_takes_new_records(old_store: Path) -> None:
    with Store.open(old_store) as store:
        store.add_run(replace(DECODE, run_id="new"))
        assert store.run("new").trials == DECODE.trials
    assert version_of(old_store) == SCHEMA_VERSION


def test_an_upgraded_store_has_the_same_tables_as_a_new_one(
    old_store: Path, tmp_path: Path
) -> None:
    def tables(path: Path) -> list[tuple[str, str]]:
        Store.open(path).close()
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY 1").fetchall()

    assert tables(old_store) == tables(tmp_path / "new.sqlite")


def add_colour(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE runs ADD COLUMN colour TEXT DEFAULT 'blue'")


def fail_half_way(connection: sqlite3.Connection) -> None:
    add_colour(connection)
    raise RuntimeError("the step failed")


def test_a_further_step_is_taken_once_and_keeps_the_records(old_store: Path) -> None:
    steps = (*STEPS, add_colour)
    with closing(connect(old_store, create=True)) as connection:
        for _ in range(2):
            with transaction(connection):
                bring_up_to_date(connection, steps)
        assert connection.execute("SELECT colour FROM runs").fetchall() == [("blue",)] * 2
    assert version_of(old_store) == len(steps)


def test_a_step_that_fails_leaves_the_store_as_it_was(old_store: Path) -> None:
    with (
        closing(connect(old_store, create=True)) as connection,
        pytest.raises(RuntimeError),
        transaction(connection),
    ):
        bring_up_to_date(connection, (*STEPS, fail_half_way))
    assert version_of(old_store) == len(STEPS)
    with Store.open(old_store) as store:
        assert store.run(DECODE.run_id) == DECODE


def test_the_store_explains_its_own_columns(old_store: Path) -> None:
    with closing(sqlite3.connect(old_store)) as connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'trial_details'"
        ).fetchone()
    assert "little-endian float64, seconds after the start of the trial" in sql
