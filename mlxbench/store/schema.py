"""The tables of the store, and how an older file becomes a newer one.

The version of a file is the number of steps taken on it. A new file takes every step from none, an
old one those it lacks, so both end up the same, and a new version needs exactly one more function
at the end of `STEPS`. A step that was ever released is never changed again: files made by it exist.

The remarks inside the statements are kept by SQLite, so that `.schema` explains the file itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from mlxbench.errors import InputError
from mlxbench.records import SCHEMA_VERSION

APPLICATION_ID = 0x4D4C5842  # "MLXB" in the file's header tells our stores from other databases

_RUNS = """
CREATE TABLE runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    created_utc TEXT NOT NULL,
    status TEXT NOT NULL,       -- running, done, failed, aborted; 'running' for ever means killed
    model TEXT NOT NULL,        -- from here to mode: copied out of arm, for queries by hand
    engine TEXT NOT NULL,
    synthetic INTEGER NOT NULL,
    kind TEXT NOT NULL,         -- decode, prefill, or generate: then the next five are NULL
    prompt_tokens INTEGER,
    generation_tokens INTEGER,
    depth INTEGER,
    batch_size INTEGER,
    mode TEXT,
    workload TEXT NOT NULL,
    command TEXT NOT NULL,
    load_s REAL,
    predicted_memory_bytes INTEGER,
    arm TEXT NOT NULL,          -- JSON: target, task, options
    environment TEXT NOT NULL,  -- JSON
    checkpoint TEXT,            -- JSON
    notices TEXT NOT NULL       -- JSON
) WITHOUT ROWID
"""

_RUNS_BY_TIME = "CREATE INDEX runs_by_time ON runs (created_utc, run_id)"

# Narrow, so that the rates of 100,000 trials are read without touching their stamps and tokens.
_TRIALS = """
CREATE TABLE trials (
    run_id TEXT NOT NULL REFERENCES runs,
    sequence INTEGER NOT NULL,
    phase TEXT NOT NULL,        -- warmup, measured
    status TEXT NOT NULL,       -- completed, or why it failed
    started_utc TEXT NOT NULL,  -- a label, not a clock
    clock TEXT,                 -- NULL from here on where the trial failed, but for duration_s
    t_first REAL,               -- first and last stamp, seconds after the start of the trial
    t_last REAL,
    stamp_count INTEGER,
    duration_s REAL,
    prompt_tokens INTEGER,
    generated_tokens INTEGER,
    batch_size INTEGER,
    finish_reason TEXT,
    prefill_kv_s REAL,
    peak_memory_bytes INTEGER,
    native_decode_tps REAL,     -- copied out of native
    native_prefill_tps REAL,
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID
"""

_TRIAL_DETAILS = """
CREATE TABLE trial_details (
    run_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    message TEXT,               -- of a failed trial
    stamps BLOB,                -- little-endian float64, seconds after the start of the trial
    tokens BLOB,                -- little-endian int32: rows, the length of each row, every row
    text TEXT,
    native TEXT,                -- JSON: the engine's own figures
    notices TEXT,               -- JSON
    PRIMARY KEY (run_id, sequence),
    FOREIGN KEY (run_id, sequence) REFERENCES trials
)
"""

_COMPARISONS = """
CREATE TABLE comparisons (
    comparison_id TEXT NOT NULL PRIMARY KEY,
    created_utc TEXT NOT NULL,
    status TEXT NOT NULL,
    metric TEXT NOT NULL,
    command TEXT NOT NULL,
    document TEXT NOT NULL      -- JSON: arms, sessions with their runs and orders, notices
) WITHOUT ROWID
"""

_RESIDENT = "ALTER TABLE runs ADD COLUMN resident TEXT NOT NULL DEFAULT '[]'"  # JSON: names

Step = Callable[[sqlite3.Connection], None]


def _make_first_tables(connection: sqlite3.Connection) -> None:
    for statement in (_RUNS, _RUNS_BY_TIME, _TRIALS, _TRIAL_DETAILS):
        connection.execute(statement)


def _add_comparisons(connection: sqlite3.Connection) -> None:
    connection.execute(_COMPARISONS)


def _allow_servers(_: sqlite3.Connection) -> None:
    """No table changes: arms and checkpoints are JSON. But an older mlxbench cannot read these."""


def _allow_probes(_: sqlite3.Connection) -> None:
    """No table changes: a probe is an arm's task. But an older mlxbench cannot read one."""


def _allow_kernels(_: sqlite3.Connection) -> None:
    """No table changes: kernels are among an arm's options. But an older mlxbench has no such."""


def _add_residents(connection: sqlite3.Connection) -> None:
    connection.execute(_RESIDENT)


# What each step brought, with the month it was released.
#   1  2026-11: runs, trials and their details
#   2  2026-11: comparisons
#   3  2026-11: servers
#   4  2026-11: probes, and routers changed
#   5  2026-11: kernels swapped into a model
#   6  2026-11: models resident together, and a checkpoint's shape
STEPS: Sequence[Step] = (
    _make_first_tables,
    _add_comparisons,
    _allow_servers,
    _allow_probes,
    _allow_kernels,
    _add_residents,
)

assert len(STEPS) == SCHEMA_VERSION, "a new record version needs a step, and the other way round"


def file_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a store, 0 for an empty file; refuses newer stores and other databases."""
    # One statement, so that a store which another process is just creating is seen as a whole.
    application_id, version, objects = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application_id != APPLICATION_ID and (objects or version or application_id):
        raise InputError(
            f"{str(path)!r} is a database of another program",
            "name another file with --db",
        )
    if version > SCHEMA_VERSION:
        raise InputError(
            f"result store {str(path)!r} has schema version {version}, newer than the"
            f" {SCHEMA_VERSION} of this mlxbench",
            "update mlxbench, or name another file with --db",
        )
    return int(version)


def bring_up_to_date(connection: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> None:
    """Take the missing steps, and write even where none is missing; the caller's transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in steps[version:]:
        step(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    # `max`: a newer mlxbench may have upgraded the file since its version was looked at.
    connection.execute(f"PRAGMA user_version = {max(version, len(steps))}")
