"""Comparisons to rows and back. Their trials are those of the runs that they name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlxbench.records import ComparedSession, Comparison, Notice
from mlxbench.store.codec import arm_from_json, to_json

COLUMNS = ("comparison_id", "created_utc", "status", "metric", "command", "document")


def insert_comparison(connection: sqlite3.Connection, comparison: Comparison) -> None:
    """Store a comparison that begins."""
    places = ", ".join("?" * len(COLUMNS))
    connection.execute(
        f"INSERT INTO comparisons ({', '.join(COLUMNS)}) VALUES ({places})", _values(comparison)
    )


def update_comparison(connection: sqlite3.Connection, comparison: Comparison) -> None:
    """Replace a stored comparison by what it has become."""
    changed = connection.execute(
        "UPDATE comparisons SET status = ?, document = ? WHERE comparison_id = ?",
        (comparison.status, to_json(asdict(comparison)), comparison.comparison_id),
    ).rowcount
    assert changed == 1, f"no comparison {comparison.comparison_id!r} to update"


def select_comparison(connection: sqlite3.Connection, comparison_id: str) -> Comparison:
    """One comparison."""
    query = "SELECT document FROM comparisons WHERE comparison_id = ?"
    (document,) = connection.execute(query, (comparison_id,)).fetchone()
    return _comparison(json.loads(document))


def select_comparison_ids(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """The identifiers that start with `prefix`, newest first."""
    rows = connection.execute(
        "SELECT comparison_id FROM comparisons WHERE substr(comparison_id, 1, length(?1)) = ?1"
        " ORDER BY created_utc DESC, comparison_id DESC",
        (prefix,),
    )
    return [comparison_id for (comparison_id,) in rows]


def _values(comparison: Comparison) -> tuple[str, ...]:
    return (
        comparison.comparison_id,
        comparison.created_utc,
        comparison.status,
        comparison.metric,
        comparison.command,
        to_json(asdict(comparison)),
    )


def _comparison(values: dict[str, Any]) -> Comparison:
    confirmation = values["confirmation"]
    nested = {
        "arms": tuple(arm_from_json(arm) for arm in values["arms"]),
        "sessions": tuple(_session(session) for session in values["sessions"]),
        "confirmation": None if confirmation is None else _session(confirmation),
        "notices": tuple(Notice(**notice) for notice in values["notices"]),
    }
    return Comparison(**{**values, **nested})


def _session(values: Mapping[str, Any]) -> ComparedSession:
    rounds = tuple(tuple(order) for order in values["rounds"])
    return ComparedSession(**{**values, "run_ids": tuple(values["run_ids"]), "rounds": rounds})
