"""The store's SQL, as functions on a connection; transactions and faults are the caller's."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from typing import Any

from mlxbench.records import Notice, Run, RunStatus, TrialRecord
from mlxbench.store.codec import (
    COMPLETED,
    Row,
    Value,
    run_from_row,
    run_to_row,
    to_json,
    trial_from_row,
    trial_to_rows,
)


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What rates need of one run's measured trials, failed ones included, a tuple per column.

    The names are those of the columns of `trials`; element i of each belongs to the same trial, in
    the order they ran. `status` is "completed" or the reason of failure, and then the others are
    `None`. `t_first` and `t_last` are the stamps of the first and the last of `generated_tokens`,
    which a batch shares.
    """

    status: tuple[str, ...] = ()
    t_first: tuple[float | None, ...] = ()
    t_last: tuple[float | None, ...] = ()
    generated_tokens: tuple[int | None, ...] = ()
    prompt_tokens: tuple[int | None, ...] = ()
    batch_size: tuple[int | None, ...] = ()
    prefill_kv_s: tuple[float | None, ...] = ()
    peak_memory_bytes: tuple[int | None, ...] = ()
    native_decode_tps: tuple[float | None, ...] = ()
    native_prefill_tps: tuple[float | None, ...] = ()


_FACT_COLUMNS = ", ".join(field.name for field in fields(TrialFacts))


def insert_run(connection: sqlite3.Connection, run: Run) -> None:
    """Store a run and the trials it already has."""
    _insert(connection, "runs", run_to_row(run))
    for record in run.trials:
        insert_trial(connection, run.run_id, record)


def insert_trial(connection: sqlite3.Connection, run_id: str, record: TrialRecord) -> None:
    """Store one trial of a run."""
    trial, details = trial_to_rows(run_id, record)
    _insert(connection, "trials", trial)
    _insert(connection, "trial_details", details)


def delete_failed_trial(connection: sqlite3.Connection, run_id: str, sequence: int) -> None:
    """Make room for another attempt; a trial that gave facts is never taken away."""
    failed = (
        "run_id = ?1 AND sequence = ?2 AND EXISTS (SELECT * FROM trials"
        " WHERE run_id = ?1 AND sequence = ?2 AND status != ?3)"
    )
    for table in ("trial_details", "trials"):
        connection.execute(f"DELETE FROM {table} WHERE {failed}", (run_id, sequence, COMPLETED))


def _insert(connection: sqlite3.Connection, table: str, row: Row) -> None:
    columns = ", ".join(row)
    places = ", ".join("?" * len(row))
    values = [_storable(value) for value in row.values()]
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)


def _storable(value: Value) -> Value:
    if isinstance(value, float):
        assert math.isfinite(value), "SQLite would turn NaN into NULL without a word"
    elif isinstance(value, str):
        # File names that are not UTF-8 reach us as lone surrogates, which SQLite cannot hold.
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def update_run(
    connection: sqlite3.Connection, run_id: str, status: RunStatus, notices: Sequence[Notice]
) -> None:
    """Set the status and the notices of a run."""
    changed = connection.execute(
        "UPDATE runs SET status = ?, notices = ? WHERE run_id = ?",
        (status, to_json(notices), run_id),
    ).rowcount
    assert changed == 1, f"no run {run_id!r} to finish"


def select_run(connection: sqlite3.Connection, run_id: str) -> Run:
    """One run with all its trials."""
    details = _named_rows(
        connection,
        "SELECT * FROM trials JOIN trial_details USING (run_id, sequence)"
        " WHERE run_id = ? ORDER BY sequence",
        (run_id,),
    )
    trials = tuple(map(trial_from_row, details))
    (row,) = _named_rows(connection, "SELECT * FROM runs WHERE run_id = ?", (run_id,))
    return run_from_row(row, trials)


def select_runs(connection: sqlite3.Connection, limit: int | None) -> list[Run]:
    """The newest `limit` runs, or all, newest first, without trials."""
    order = "SELECT * FROM runs ORDER BY created_utc DESC, run_id DESC LIMIT ?"
    rows = _named_rows(connection, order, (-1 if limit is None else limit,))
    return list(map(run_from_row, rows))


def select_run_ids(connection: sqlite3.Connection, prefix: str = "") -> list[str]:
    """The identifiers that start with `prefix`, in their order."""
    rows = connection.execute(
        "SELECT run_id FROM runs WHERE substr(run_id, 1, length(?1)) = ?1 ORDER BY run_id",
        (prefix,),
    )
    return [run_id for (run_id,) in rows]


def select_facts(
    connection: sqlite3.Connection, run_ids: Sequence[str] | None
) -> dict[str, TrialFacts]:
    """The facts of each given run, or of all; empty ones for a run without measured trials."""
    query = f"SELECT run_id, {_FACT_COLUMNS} FROM trials WHERE phase = 'measured'"
    values: tuple[str, ...] = ()
    if run_ids is not None:
        query += " AND run_id IN (SELECT value FROM json_each(?))"
        values = (json.dumps(list(run_ids)),)
    rows = connection.execute(query + " ORDER BY run_id, sequence", values)
    found = {run_id: _facts(trials) for run_id, trials in groupby(rows, key=itemgetter(0))}
    wanted = select_run_ids(connection) if run_ids is None else run_ids
    return {run_id: found.get(run_id, TrialFacts()) for run_id in wanted}


def _facts(trials: Iterator[tuple[object, ...]]) -> TrialFacts:
    _, *columns = zip(*trials, strict=True)
    return TrialFacts(*columns)


def _named_rows(
    connection: sqlite3.Connection, query: str, values: Sequence[Value]
) -> Iterator[dict[str, Any]]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return map(dict, cursor.execute(query, values))
