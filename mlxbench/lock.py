"""One measurement at a time: the machine has one accelerator, so it has one lock.

The lock is an advisory `flock` on one fixed file. The kernel drops it when its holder dies, however
it dies, so a lock is never stale and nothing has to be cleaned up; what a dead holder wrote into
the file means nothing without the lock. The file itself is never deleted: two processes could then
hold locks on two files of the same name.

**The place.** `/var/tmp` exists on macOS and Linux, is writable for every user, is the same for all
of them, and unlike `/tmp` is kept over restarts and days. No environment variable moves it, for
two runs with different settings still share one accelerator. The file is open to all users
(mode 0666 whatever the umask), and only the first user ever creates it: Linux
(`fs.protected_regular`) refuses `O_CREAT` on somebody else's file in such a directory.

**Workers.** The holder hands its record (process id and the time it took the lock) to its children
in `HOLDER_VARIABLE`. A process that finds the lock taken may go on under it if the file, written by
whoever holds the lock now, contains exactly that record. So `accelerator_lock` also nests. A
parent that dies gives up the lock, and workers must end with it.

**Awake.** A Mac that sleeps spoils what is measured, so whoever holds the lock runs `caffeinate`
meanwhile. It ends with the lock, and with its holder (`-w`) however that dies.
"""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlxbench.errors import BusyError, MeasurementError

LOCK_PATH = Path("/var/tmp/mlxbench.lock")
HOLDER_VARIABLE = "MLXBENCH_LOCK_HOLDER"
MODE = 0o666
# Neither a symbolic link nor a pipe that somebody put there may lead or hold us anywhere else.
OPEN_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAX_RECORD_BYTES = 64


@contextmanager
def accelerator_lock(path: Path = LOCK_PATH) -> Iterator[None]:
    """Hold the accelerator, or go on under a parent's lock; `BusyError` if somebody else has it."""
    try:
        descriptor = _open(path)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        if not _try_lock(descriptor, path):
            _require_own_holder(_read_record(descriptor))
            yield
        else:
            with _announced(descriptor, path), _awake():
                yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open the lock file, and create it if this is the first run on the machine."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        descriptor = _create(path)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        # A second link may be a file of ours under another name, which we would overwrite.
        os.close(descriptor)
        raise OSError("not an ordinary file")
    return descriptor


def _create(path: Path) -> int:
    try:
        descriptor = os.open(path, OPEN_FLAGS | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:  # another process created it a moment ago
        return os.open(path, OPEN_FLAGS)
    os.fchmod(descriptor, MODE)
    return descriptor


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _unusable(path, error) from error
    return True


@contextmanager
def _announced(descriptor: int, path: Path) -> Iterator[None]:
    """Write who holds the lock into the file and tell children, until the block ends."""
    record = f"{os.getpid()} {time.time_ns()}"
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, record.encode(), 0)
    except OSError as error:
        raise _unusable(path, error) from error
    outer = os.environ.get(HOLDER_VARIABLE)
    os.environ[HOLDER_VARIABLE] = record
    try:
        yield
    finally:
        if outer is None:
            del os.environ[HOLDER_VARIABLE]
        else:
            os.environ[HOLDER_VARIABLE] = outer
        os.ftruncate(descriptor, 0)


@contextmanager
def _awake() -> Iterator[None]:
    """Keep a Mac from sleeping until the block ends; without the tool it sleeps when it likes."""
    keeper = _caffeinate()
    try:
        yield
    finally:
        if keeper is not None:
            keeper.kill()
            keeper.wait()


def _caffeinate() -> subprocess.Popen[bytes] | None:
    if sys.platform == "darwin":
        quiet = subprocess.DEVNULL
        command = ["caffeinate", "-dims", "-w", str(os.getpid())]
        with suppress(OSError):
            return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    return None


def _read_record(descriptor: int) -> str:
    return os.pread(descriptor, MAX_RECORD_BYTES, 0).decode("ascii", errors="replace")


def _require_own_holder(record: str) -> None:
    """Pass if the lock is held by the process that started this one, or by this one itself."""
    if record and record == os.environ.get(HOLDER_VARIABLE):
        return
    pid = record.partition(" ")[0]
    # Empty or odd only in the instant between taking the lock and writing the record.
    holder = f"pid {pid}" if pid.isdecimal() else "pid not yet known"
    raise BusyError(
        f"another mlxbench ({holder}) holds the accelerator",
        "wait until it has finished or stop it, then run this again",
    )


def _unusable(path: Path, error: OSError) -> MeasurementError:
    reason = error.strerror or str(error)
    return MeasurementError(
        f"cannot use the lock file {path}: {reason}",
        "make it an ordinary file that every user may read and write, or delete it",
    )
