"""What goes wrong with the file of a store, in words for people.

SQLite reports faults of the world (a full disk, a file that is no database) and mistakes of ours
(a duplicate key, a closed connection) with the same classes. Only the first kind becomes an
`MlxbenchError`; a mistake passes through and shows its traceback.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlxbench.errors import InputError, MlxbenchError, StoreError

_ELSEWHERE = "name another file with --db"
_DAMAGED = (
    "is damaged",
    f"restore a copy, save what is left with `sqlite3 FILE .recover`, or {_ELSEWHERE}",
)
_NOT_WRITABLE = ("may not be written", f"change its permissions or its folder's, or {_ELSEWHERE}")

# Primary result codes, https://www.sqlite.org/rescode.html: (problem, advice).
_WORDS = {
    sqlite3.SQLITE_FULL: (
        "has no room left: the disk is full",
        "free some space and run again (what was stored before is kept)",
    ),
    sqlite3.SQLITE_IOERR: (
        "could not be read or written",
        "check the disk and its quota, then run again (what was stored before is kept)",
    ),
    sqlite3.SQLITE_BUSY: ("is locked", "end the program that holds it, then run again"),
    sqlite3.SQLITE_PROTOCOL: ("cannot be locked", f"move it to a local disk, or {_ELSEWHERE}"),
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        f"check that it and its folder may be read and written, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_NOTADB: ("is not a SQLite database", _ELSEWHERE),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    # Our statements are fixed and tested, so one that fails to compile met altered tables.
    sqlite3.SQLITE_ERROR: _DAMAGED,
}
_NOT_UTF8 = "text is not UTF-8"
# At opening these mean that the path is unusable as given.
_UNUSABLE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,
}


@contextmanager
def explained(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn the faults of the file into StoreError, or InputError while opening it."""
    try:
        yield
    except UnicodeDecodeError as error:
        # Python's module fails on SQLite's own message where that quotes damaged bytes.
        raise _in_words(sqlite3.SQLITE_CORRUPT, _NOT_UTF8, path, opening) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        # Text that is not UTF-8 is found by Python, not by SQLite, and so comes without a code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code not in _WORDS:
            raise
        name = getattr(error, "sqlite_errorname", _NOT_UTF8)
        raise _in_words(code, name, path, opening) from error


def _in_words(code: int, detail: str, path: Path, opening: bool) -> MlxbenchError:
    problem, advice = _WORDS[code]
    kind = InputError if opening and code in _UNUSABLE else StoreError
    return kind(f"result store {str(path)!r} {problem} ({detail})", advice)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn faults of the file, and stored values that make no record, into StoreError."""
    try:
        with explained(path):
            yield
    except (ValueError, TypeError, KeyError, struct.error) as error:
        problem, advice = _DAMAGED
        raise StoreError(
            f"result store {str(path)!r} {problem} (a record cannot be decoded)", advice
        ) from error
