"""The result store: one SQLite file that holds every run and trial.

A trial is durable when `add_trial` returns: neither kill -9 nor a power cut takes it away again.
Several processes may write at once. The store keeps raw facts only; rates are derived on read.

A run is added once its model is loaded, gets its trials one by one, and is finished with a status.
A run that still says "running" although nobody measures was killed; its trials are good.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from mlxbench.errors import InputError, StoreError
from mlxbench.records import Comparison, Notice, Run, RunStatus, TrialRecord
from mlxbench.store import comparisons, rows
from mlxbench.store.connecting import connect, schema_version, transaction
from mlxbench.store.faults import decoding, explained
from mlxbench.store.rows import TrialFacts

__all__ = ["Store", "TrialFacts", "new_run_id", "schema_version"]

_CANDIDATES_SHOWN = 4


def new_run_id(now: datetime, random: Random) -> str:
    """A sortable name such as `20261123-041522-a3f91c`: the UTC second and six random digits."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{random.getrandbits(24):06x}"


class Store:
    """An open result store, used by one thread; close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Self:
        """Open the store at `path`, brought up to this schema version.

        With `create`, for those who record, a missing file is made (mode 0600) and a durable write
        proves that trials can be kept; without it, for those who read, the file must exist.
        Raises InputError where the path is unusable, StoreError where the disk fails.
        """
        return cls(path, connect(path, create=create))

    def close(self) -> None:
        """Close; the last to close moves the write-ahead log into the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add_run(self, run: Run) -> None:
        """Store a run, with the trials it already has, in one durable commit."""
        try:
            with self._transaction() as connection:
                rows.insert_run(connection, run)
        except sqlite3.IntegrityError as error:
            # Two runs that began in the same second draw the same four digits once in 65,536.
            raise StoreError(
                f"result store {str(self.path)!r} already has a run {run.run_id!r}",
                "run the command again",
            ) from error

    def add_trial(self, run_id: str, record: TrialRecord) -> None:
        """Store one trial of a stored run in one durable commit."""
        with self._transaction() as connection:
            rows.insert_trial(connection, run_id, record)

    def put_trial(self, run_id: str, record: TrialRecord) -> None:
        """Store one trial in one durable commit, in place of a failed one of the same number."""
        with self._transaction() as connection:
            rows.delete_failed_trial(connection, run_id, record.sequence)
            rows.insert_trial(connection, run_id, record)

    def finish_run(self, run_id: str, status: RunStatus, notices: Sequence[Notice]) -> None:
        """Set how a run ended, or "running" where it goes on; `notices` replace those it had."""
        with self._transaction() as connection:
            rows.update_run(connection, run_id, status, notices)

    def run(self, run_id: str) -> Run:
        """The run with this identifier, or with the only one that starts so, and its trials."""
        with decoding(self.path):
            return rows.select_run(self._connection, self._full_id(run_id))

    def runs(self, limit: int | None = None) -> list[Run]:
        """The newest `limit` runs, or all, newest first, without their trials."""
        with decoding(self.path):
            return rows.select_runs(self._connection, limit)

    def trial_facts(self, run_ids: Sequence[str] | None = None) -> dict[str, TrialFacts]:
        """The facts of the measured trials of each given run, or of all; cheap for thousands."""
        with decoding(self.path):
            return rows.select_facts(self._connection, run_ids)

    def add_comparison(self, comparison: Comparison) -> None:
        """Store a comparison that begins."""
        with self._transaction() as connection:
            comparisons.insert_comparison(connection, comparison)

    def update_comparison(self, comparison: Comparison) -> None:
        """Replace a stored comparison by what it has become."""
        with self._transaction() as connection:
            comparisons.update_comparison(connection, comparison)

    def comparison(self, comparison_id: str) -> Comparison:
        """The comparison with this identifier, or with the only one that starts so."""
        with decoding(self.path):
            found = comparisons.select_comparison_ids(self._connection, comparison_id)
            full = _only(found, comparison_id, "comparison")
            return comparisons.select_comparison(self._connection, full)

    def comparison_ids(self, limit: int | None = None, prefix: str = "") -> list[str]:
        """The identifiers of the newest `limit` comparisons, or all, newest first."""
        with decoding(self.path):
            return comparisons.select_comparison_ids(self._connection, prefix)[:limit]

    def _full_id(self, prefix: str) -> str:
        return _only(rows.select_run_ids(self._connection, prefix), prefix, "run")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path), transaction(self._connection):
            yield self._connection


def _only(found: Sequence[str], prefix: str, what: str) -> str:
    """The one identifier that `prefix` can mean."""
    if prefix in found:
        return prefix
    if not found:
        raise InputError(f"no {what} {prefix!r}", "run `mlxbench results list` to see them")
    if len(found) > 1:
        some = ", ".join(found[:_CANDIDATES_SHOWN])
        more = ", …" if len(found) > _CANDIDATES_SHOWN else ""
        raise InputError(f"{len(found)} {what}s start with {prefix!r}", f"use one of {some}{more}")
    return found[0]
