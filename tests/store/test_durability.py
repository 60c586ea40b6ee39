"""Nothing that was acknowledged is lost: to kill -9, a power cut, a full disk or a second writer.

A power cut cannot be had in a test. What it leaves behind can: the files as they were at some
moment, the log torn anywhere. So these tests copy the files while another process writes.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mlxbench.errors import EXIT_FAILED, StoreError
from mlxbench.store import Store
from tests.store.store_samples import a_run, a_trial

ROOT = Path(__file__).resolve().parents[2]
KILL_NINE = (sys.executable, "-m", "benchmarks.kill_nine")
MANY = 100_000


def start_writer(path: Path, prefix: str, trials: int) -> subprocess.Popen[bytes]:
    """Another process that records one run and prints a line for each acknowledged trial."""
    command = [*KILL_NINE, "--write", str(path), "--prefix", prefix, "--sessions", "1"]
    command += ["--trials", str(trials)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    return writer


@contextmanager
def endless_writer(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    writer = start_writer(path, "w", MANY)
    try:
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def acknowledged(writer: subprocess.Popen[bytes]) -> int:
    """How many trials were acknowledged since the last call: at least one, and all so far."""
    assert writer.stdout is not None
    lines = os.read(writer.stdout.fileno(), 1 << 20)
    assert lines, "the writer ended"
    return lines.count(b"\n")


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def copy_slowly(source: Path, destination: Path) -> None:
    """Copy as a backup program would, so that the file grows meanwhile."""
    with source.open("rb") as reader, destination.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1000)


def stored_trials(path: Path) -> int:
    """How many trials a store holds, which must be the first ones, in an intact file."""
    with Store.open(path) as store:
        count = sum(len(store.run(run.run_id).trials) for run in store.runs())
        for run in store.runs():
            sequences = [record.sequence for record in store.run(run.run_id).trials]
            assert sequences == list(range(len(sequences)))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return count


def test_killed_writers_lose_nothing_that_was_acknowledged() -> None:
    finished = subprocess.run(
        [*KILL_NINE, "--points", "10", "--seed", "7"], cwd=ROOT, capture_output=True, check=True
    )
    summary = json.loads(finished.stdout)
    assert summary["kill_points"] == 10
    assert summary["acknowledged_trials"] > 0
    assert summary["lost_trials"] == summary["damaged_stores"] == 0


def test_a_copy_made_at_any_moment_holds_every_trial_acknowledged_before_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite"
    with endless_writer(path) as writer:
        total = 0
        for moment in range(15):
            total += acknowledged(writer)
            copy = tmp_path / f"copy-{moment}.sqlite"
            copy_slowly(path, copy)
            copy_slowly(log_of(path), log_of(copy))
            assert stored_trials(copy) >= total


def test_a_log_torn_anywhere_still_opens_with_the_trials_before_the_tear(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with endless_writer(path) as writer:
        total = 0
        while total < 20:
            total += acknowledged(writer)
    log = log_of(path).read_bytes()
    draw = random.Random(5)
    counts = []
    for cut in sorted(draw.randrange(len(log)) for _ in range(25)):
        copy = tmp_path / f"torn-{cut}.sqlite"
        copy.write_bytes(path.read_bytes())
        # A torn write leaves old or foreign bytes behind it, not only an early end.
        log_of(copy).write_bytes(log[:cut] + draw.randbytes(draw.choice([0, 3000])))
        counts.append(stored_trials(copy))
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert stored_trials(path) >= total


def test_four_processes_that_make_and_write_one_store_at_once_lose_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite"
    writers = [start_writer(path, f"w{number}", 25) for number in range(4)]
    outputs = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    assert [output.count(b"\n") for output in outputs] == [25] * 4
    assert stored_trials(path) == 100
    with Store.open(path, create=False) as store:
        assert [run.status for run in store.runs()] == ["done"] * 4


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond `size`, as a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_more_is_an_error_and_earlier_trials_stay(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    stored = 0
    with Store.open(path) as store, file_size_limit(200_000):
        store.add_run(a_run())
        with pytest.raises(StoreError) as caught:
            for sequence in range(1000):
                store.add_trial(a_run().run_id, a_trial(sequence))
                stored += 1
    line = f"result store {str(path)!r} could not be read or written (SQLITE_IOERR_WRITE); check"
    assert str(caught.value).startswith(line)
    assert caught.value.exit_code == EXIT_FAILED
    assert 0 < stored < 1000
    assert stored_trials(path) == stored


def test_a_full_disk_is_an_error_and_the_store_goes_on_once_there_is_room(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite"
    stored = 0
    with Store.open(path) as store:
        store.add_run(a_run())
        store._connection.execute("PRAGMA max_page_count = 20")  # SQLite's own idea of a full disk
        with pytest.raises(StoreError, match=r"the disk is full \(SQLITE_FULL\); free some space"):
            for sequence in range(1000):
                store.add_trial(a_run().run_id, a_trial(sequence))
                stored += 1
        store._connection.execute("PRAGMA max_page_count = 2000")
        store.add_trial(a_run().run_id, a_trial(stored))
    assert stored > 0
    assert stored_trials(path) == stored + 1


def test_a_disk_without_room_is_noticed_when_the_store_is_opened(tmp_path: Path) -> None:
    new, old = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    Store.open(old).close()
    for path in (new, old):
        with file_size_limit(0), pytest.raises(StoreError, match="could not be read or written"):
            Store.open(path)
    for path in (new, old):
        Store.open(path).close()
