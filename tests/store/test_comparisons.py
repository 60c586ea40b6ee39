"""Comparisons in the store: what goes in comes out, for ever.

`tests/data/store_v2.sqlite` was made once, by adding `VERSION_2_RUNS` and `VERSION_2_COMPARISON` to
a new store, and is never made again: when the schema changes, a file of the new version joins it.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.errors import InputError
from mlxbench.records import (
    Arm,
    ComparedSession,
    Comparison,
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
from mlxbench.store import Store

DATA = Path(__file__).parents[1] / "data"
UTC = "2026-11-24T04:15:22Z"

TASK = Timed("decode", 64, 5, 16, 2, "stepped", Sampler(0.7, 0.8, 20, 42))
PLAIN = Arm(Target("sim", "sim:itl=0.01", "itl=0.01"), TASK)
OTHER = Arm(
    Target("sim", "sim:itl=0.0095", "itl=0.0095", python="~/other/bin/python"),
    TASK,
    Options(1024, 8, 32),
)
ROUNDS = ((0, 1), (1, 0), (1, 0), (0, 1))


def a_trial(sequence: int, pace_s: float) -> TrialRecord:
    stamps = tuple(0.5 + step * pace_s for step in range(5))
    trial = Completed("virtual", stamps, stamps[-1] + 0.184, 64, 5, 2, "length")
    return TrialRecord(sequence, "measured" if sequence else "warmup", UTC, trial)


def a_run(session: int, arm: Arm, pace_s: float) -> Run:
    name = "b" if arm is OTHER else "a"
    trials = [a_trial(i, pace_s * (1 + 0.001 * (i % 2))) for i in range(5)]
    if session == 1 and arm is OTHER:
        trials[3] = TrialRecord(3, "measured", UTC, Failed("engine_error", "scripted", 0.5))
    return Run(
        run_id=f"20261124-041522-{name}00{session}",
        created_utc=UTC,
        command="mlxbench compare sim:itl=0.01 sim:itl=0.0095 --sessions 2",
        arm=arm,
        workload="comparison",
        environment=Environment(os="Linux", versions={"mlx": "0.32.4"}),
        status="done",
        load_s=2.0,
        trials=tuple(trials),
    )


VERSION_2_RUNS = tuple(
    a_run(session, arm, pace)
    for session in (0, 1)
    for arm, pace in ((PLAIN, 0.01 + 0.0001 * session), (OTHER, 0.0095))
)
VERSION_2_COMPARISON = Comparison(
    comparison_id="20261124-041522-c0de",
    created_utc=UTC,
    command="mlxbench compare sim:itl=0.01 sim:itl=0.0095 --sessions 2",
    metric="median-gap",
    arms=(PLAIN, OTHER),
    seed=7,
    budget_s=60.0,
    status="done",
    sessions=(
        ComparedSession((VERSION_2_RUNS[0].run_id, VERSION_2_RUNS[1].run_id), ROUNDS, 4),
        ComparedSession((VERSION_2_RUNS[2].run_id, VERSION_2_RUNS[3].run_id), ROUNDS, 4),
    ),
    notices=(Notice("not-steady", "an arm had not settled", "wait — 等"),),
)

FULL = replace(
    VERSION_2_COMPARISON,
    comparison_id="20261124-050000-0001",
    null=True,
    alternating=True,
    status="aborted",
    sessions=(*VERSION_2_COMPARISON.sessions, ComparedSession(failure="killed")),
    confirmed_arm=1,
    confirmation=ComparedSession(("x", "y"), ((1, 0),), 10, None),
)
CHAT = replace(
    VERSION_2_COMPARISON,
    comparison_id="20261124-060000-0002",
    arms=(Arm(PLAIN.target, Generate((Message("user", "hé"),), Sampler(), 9, False, True)),),
    sessions=(),
    status="running",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


@pytest.mark.parametrize("comparison", [VERSION_2_COMPARISON, FULL, CHAT])
def test_a_comparison_comes_back_equal(path: Path, comparison: Comparison) -> None:
    with Store.open(path) as store:
        store.add_comparison(comparison)
    with Store.open(path, create=False) as store:
        assert store.comparison(comparison.comparison_id) == comparison


def test_an_update_replaces_everything_but_the_identity(path: Path) -> None:
    began = replace(FULL, status="running", sessions=(), confirmation=None, confirmed_arm=None)
    with Store.open(path) as store:
        store.add_comparison(CHAT)
        store.add_comparison(began)
        store.update_comparison(FULL)
        assert store.comparison(FULL.comparison_id) == FULL
        assert store.comparison(CHAT.comparison_id) == CHAT


def test_an_update_of_what_is_not_there_is_a_bug(path: Path) -> None:
    with Store.open(path) as store, pytest.raises(AssertionError, match="no comparison"):
        store.update_comparison(FULL)


def test_the_columns_for_queries_by_hand_follow_the_document(path: Path) -> None:
    with Store.open(path) as store:
        store.add_comparison(replace(FULL, status="running"))
        store.update_comparison(FULL)
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT status, metric, command FROM comparisons").fetchone()
    assert row == (FULL.status, FULL.metric, FULL.command)


def test_a_comparison_is_found_by_the_start_of_its_id(path: Path) -> None:
    with Store.open(path) as store:
        for comparison in (VERSION_2_COMPARISON, FULL, CHAT):
            store.add_comparison(comparison)
        assert store.comparison("20261124-05") == FULL
        with pytest.raises(InputError, match="3 comparisons start with '20261124'"):
            store.comparison("20261124")
        with pytest.raises(InputError, match="no comparison '20261125'"):
            store.comparison("20261125")
        with pytest.raises(InputError, match="no comparison '%'"):
            store.comparison("%")


def test_the_newest_comparison_comes_first(path: Path) -> None:
    old = replace(CHAT, created_utc="2026-11-20T00:00:00Z")
    with Store.open(path) as store:
        for comparison in (VERSION_2_COMPARISON, old, FULL):
            store.add_comparison(comparison)
        newest_first = [FULL, VERSION_2_COMPARISON, old]
        assert store.comparison_ids() == [c.comparison_id for c in newest_first]
        assert store.comparison_ids(2) == [c.comparison_id for c in newest_first[:2]]
        assert store.comparison_ids(prefix="20261124-06") == [old.comparison_id]


def test_a_document_that_lacks_newer_fields_gets_their_defaults(path: Path) -> None:
    """As with runs: a field with a default needs no rewrite of old rows."""
    with Store.open(path) as store:
        store.add_comparison(VERSION_2_COMPARISON)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE comparisons SET document = json_remove(document, '$.null')")
    with Store.open(path) as store:
        assert store.comparison(VERSION_2_COMPARISON.comparison_id) == VERSION_2_COMPARISON


def test_a_store_of_version_1_learns_to_keep_comparisons(path: Path) -> None:
    shutil.copy(DATA / "store_v1.sqlite", path)
    with Store.open(path) as store:
        assert store.comparison_ids() == []
        store.add_comparison(FULL)
        assert store.comparison(FULL.comparison_id) == FULL
        assert len(store.runs()) == 2


def test_a_store_of_version_2_gives_back_its_comparison_and_runs(path: Path) -> None:
    golden = DATA / "store_v2.sqlite"
    assert golden.stat().st_size < 60_000
    shutil.copy(golden, path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    with Store.open(path, create=False) as store:
        assert store.comparison_ids() == [VERSION_2_COMPARISON.comparison_id]
        assert store.comparison("20261124-041522-c0de") == VERSION_2_COMPARISON
        runs = [
            store.run(run_id)
            for session in VERSION_2_COMPARISON.sessions
            for run_id in session.run_ids
        ]
    assert runs == list(VERSION_2_RUNS)
