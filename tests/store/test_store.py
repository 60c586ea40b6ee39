"""What the store promises to those who record and to those who read."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlxbench.errors import InputError, StoreError
from mlxbench.records import Arm, Failed, Generate, Message, Notice, Sampler, TrialRecord
from mlxbench.store import Store, TrialFacts, new_run_id
from tests.store.store_samples import TARGET, a_run, a_trial

FAILURE = Failed("out_of_memory", "no room", 0.1)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_store_and_its_companions_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "store.sqlite"
    umask = os.umask(0)
    try:
        with Store.open(path) as store:
            store.add_run(a_run())
            names = {file.name for file in path.parent.iterdir()}
            assert names == {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}
            assert {mode(file) for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(umask)
    assert mode(path.parent) == mode(path.parent.parent) == 0o700


def test_commits_wait_for_the_disk_and_the_log_is_left_alone_while_recording(
    tmp_path: Path,
) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        settings = {
            name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "fullfsync",
                "checkpoint_fullfsync",
                "wal_autocheckpoint",
                "foreign_keys",
            )
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "wal_autocheckpoint": 0,
        "foreign_keys": 1,
    }


def test_the_database_file_does_not_change_until_the_store_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store.open(path) as store:
        store.add_run(a_run())
        before = path.stat()
        for sequence in range(200):
            store.add_trial(a_run().run_id, a_trial(sequence))
        after = path.stat()
        assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    copy = tmp_path / "alone.sqlite"
    copy.write_bytes(path.read_bytes())
    with Store.open(copy) as store:
        assert len(store.run(a_run().run_id).trials) == 200


def test_trials_added_one_by_one_come_back_in_order(tmp_path: Path) -> None:
    records = (a_trial(0, "warmup"), a_trial(1), TrialRecord(2, "measured", "utc", FAILURE))
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run())
        for record in reversed(records):
            store.add_trial(a_run().run_id, record)
        assert store.run(a_run().run_id).trials == records


def test_finishing_sets_status_and_notices_and_keeps_the_rest(tmp_path: Path) -> None:
    notices = (Notice("load_high", "load is 3.0", "close other programs"),)
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run(trials=(a_trial(0),)))
        store.finish_run(a_run().run_id, "done", notices)
        expected = replace(a_run(trials=(a_trial(0),)), status="done", notices=notices)
        assert store.run(a_run().run_id) == expected


def test_finishing_a_run_that_was_never_added_is_a_bug(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store, pytest.raises(AssertionError):
        store.finish_run("20261123-041522-a3f9", "done", ())


def test_a_trial_of_an_unknown_run_is_a_bug(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.add_trial("20261123-041522-a3f9", a_trial(0))
        assert store.trial_facts() == {}


def test_a_second_trial_in_the_same_place_is_a_bug(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run(trials=(a_trial(0),)))
        with pytest.raises(sqlite3.IntegrityError):
            store.add_trial(a_run().run_id, a_trial(0))


def test_two_runs_that_drew_the_same_name_are_told_apart_by_running_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run())
        with pytest.raises(StoreError, match="already has a run '20261123-041522-a3f9'; run the"):
            store.add_run(a_run())


def test_runs_are_listed_newest_first_without_trials(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        for name, minute in (("b", 1), ("a", 2), ("c", 0), ("d", 2)):
            store.add_run(a_run(name, f"2026-11-23T04:0{minute}:00Z", trials=(a_trial(0),)))
        assert [run.run_id for run in store.runs()] == ["d", "a", "b", "c"]
        assert [run.run_id for run in store.runs(limit=2)] == ["d", "a"]
        assert all(run.trials == () for run in store.runs())


def test_a_run_is_found_by_a_prefix_that_no_other_shares(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        for name in ("20261123-041522-a3f9", "20261123-041522-b000", "2026"):
            store.add_run(a_run(name))
        assert store.run("20261123-041522-a").run_id == "20261123-041522-a3f9"
        assert store.run("2026").run_id == "2026"
        with pytest.raises(InputError, match="2 runs start with '20261123'; use one of 20261123-"):
            store.run("20261123")
        with pytest.raises(InputError, match="no run '%'; run `mlxbench results list`"):
            store.run("%")


def test_facts_hold_the_measured_trials_of_each_run_column_by_column(tmp_path: Path) -> None:
    failed = TrialRecord(2, "measured", "utc", FAILURE)
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run("x", trials=(a_trial(0, "warmup"), a_trial(1), failed)))
        store.add_run(a_run("y", trials=(a_trial(0, "warmup"),)))
        store.add_run(a_run("z", trials=(a_trial(0),)))
        facts = TrialFacts(
            status=("completed", "out_of_memory"),
            t_first=(0.5, None),
            t_last=(0.54, None),
            generated_tokens=(3, None),
            prompt_tokens=(512, None),
            batch_size=(1, None),
            prefill_kv_s=(0.45, None),
            peak_memory_bytes=(1_000_000, None),
            native_decode_tps=(None, None),
            native_prefill_tps=(None, None),
        )
        assert store.trial_facts(["y", "x"]) == {"y": TrialFacts(), "x": facts}
        everything = store.trial_facts()
        assert list(everything) == ["x", "y", "z"]
        assert everything["x"] == facts
        assert store.trial_facts([]) == {}


def test_facts_of_more_runs_than_sqlite_has_variables_for_are_read_at_once(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run("x", trials=(a_trial(0),)))
        names = [str(number) for number in range(300_000)]
        assert store.trial_facts(["x", *names])["x"].status == ("completed",)


def test_what_people_search_by_has_columns_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    chat = Generate((Message("user", "hello"),), Sampler(), token_budget=10)
    with Store.open(path) as store:
        store.add_run(a_run("timed"))
        store.add_run(replace(a_run("chat"), arm=Arm(TARGET, chat)))
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT model, engine, kind, prompt_tokens, generation_tokens, depth, batch_size, mode,"
        " workload, created_utc, status FROM runs ORDER BY run_id DESC"
    ).fetchall()
    connection.close()
    start, end = ("tiny-moe", "mlx"), ("natural text", "2026-11-23T04:15:22Z", "running")
    assert rows == [
        (*start, "decode", 512, 3, 0, 1, "pipelined", *end),
        (*start, "generate", None, None, None, None, None, *end),
    ]


def test_reading_needs_a_store_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "none" / "store.sqlite"
    with pytest.raises(InputError, match=r"no result store at .*; measure something first"):
        Store.open(path, create=False)
    assert not path.parent.exists()


def test_run_names_are_utc_sortable_and_short() -> None:
    berlin = timezone(timedelta(hours=1))
    name = new_run_id(datetime(2026, 11, 23, 5, 15, 22, tzinfo=berlin), random.Random(1))
    assert name.startswith("20261123-041522-")
    assert len(name) == 22
    early = new_run_id(datetime(2026, 11, 23, 4, 15, 21, tzinfo=UTC), random.Random(2))
    assert early < name
