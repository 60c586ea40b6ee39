"""How the file of a store is made and opened.

The store must survive kill -9 and power loss after every acknowledged trial, and so must a copy
taken at any moment (first the database, then its `-wal`):

- Write-ahead log with `synchronous=FULL`: a commit returns after its frames are on the disk.
  Frames carry checksums chained from the log's head, so a torn tail is ignored on opening.
- On macOS only F_FULLFSYNC empties the drive's own cache; `fullfsync` asks for it, and is inert
  elsewhere.
- `wal_autocheckpoint=0`: while anybody records, the database file itself never changes; only the
  log grows. A copy of the database followed by a copy of the log is then always a prefix of the
  history. SQLite moves the log into the database when the last connection closes.

Trap: POSIX drops all locks a process holds on a file as soon as it closes *any* descriptor of it.
Nothing but SQLite may open an existing store.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from mlxbench.errors import InputError
from mlxbench.records import SCHEMA_VERSION
from mlxbench.store.faults import explained
from mlxbench.store.schema import bring_up_to_date, file_version

BUSY_TIMEOUT_S = 30.0  # a commit takes milliseconds, so half a minute means that something hangs
_RETRY_S = 0.01

_SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA foreign_keys = ON",
)


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """An up-to-date store; with `create` it is made where missing, and proved to be writable."""
    _prepare_file(path, create=create)
    with explained(path, opening=True):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are begun and ended in plain sight
        )
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            _set_up(connection, path, create=create)
            on_failure.pop_all()
    return connection


def schema_version(path: Path) -> int:
    """The version of the store at `path`, 0 for an empty file; nothing is written or locked.

    SQLite is told that the file is immutable, or it would leave a log and an index beside it. So a
    log is not read: right after an upgrade by a process that still runs, the older version is seen.
    """
    _prepare_file(path, create=False)
    with explained(path, opening=True):
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return file_version(connection, path)


def _set_up(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    for setting in _SETTINGS:
        connection.execute(setting)
    version = file_version(connection, path)
    if create:
        _use_write_ahead_log(connection)
    if create or version < SCHEMA_VERSION:
        with transaction(connection):
            bring_up_to_date(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # SQLite does not wait here where two processes make the same store at once: one is told "busy".
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Writes that are on the disk when the block has ended, or did not happen at all."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _prepare_file(path: Path, *, create: bool) -> None:
    """Make the file, private from its first moment, or say why it cannot be a store."""
    try:
        if create:
            _make_private_folders(path.parent)
            _make_private_file(path)
        elif not os.path.lexists(path):
            raise InputError(
                f"no result store at {str(path)!r}",
                "measure something first, such as `mlxbench decode --model tiny-moe`",
            )
        if not path.is_file():
            raise InputError(
                f"{str(path)!r} is not a regular file", "name a file for the store with --db"
            )
    except OSError as error:
        raise InputError(
            f"result store {str(path)!r} cannot be made or opened ({error.strerror})",
            "name another file with --db, or another folder with MLXBENCH_HOME",
        ) from error


def _make_private_folders(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)


def _make_private_file(path: Path) -> None:
    """An empty file of mode 0600, whose mode SQLite gives to the log as well."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return  # an existing store keeps the mode that its owner gave it
