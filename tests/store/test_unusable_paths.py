"""A path that cannot be a store is refused in one line, before any weights are loaded."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mlxbench.errors import EXIT_BAD_INPUT, EXIT_FAILED, InputError, MlxbenchError, StoreError
from mlxbench.records import SCHEMA_VERSION
from mlxbench.store import Store, connecting
from tests.store.store_samples import a_run, a_trial

NOBODY = 65534


def refusal(path: Path) -> str:
    """The one line with which opening `path` for recording is refused as bad input."""
    with pytest.raises(InputError) as caught:
        Store.open(path)
    assert caught.value.exit_code == EXIT_BAD_INPUT
    return one_line(caught.value, path)


def one_line(error: MlxbenchError, path: Path) -> str:
    line = str(error)
    assert "\n" not in line
    assert repr(str(path)) in line
    assert error.advice
    return line


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder, and no right to ignore file modes: permissions do not bind the superuser."""
    user = os.geteuid()
    # The superuser's usual temporary folder may be closed to others.
    with tempfile.TemporaryDirectory(dir="/tmp" if user == 0 else None) as folder:
        Path(folder).chmod(0o777)
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "is not a regular file; name a file" in refusal(tmp_path)


def test_a_device_is_refused() -> None:
    assert "is not a regular file" in refusal(Path("/dev/null"))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made or opened (" in refusal(tmp_path / "file" / "sub" / "store.sqlite")


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.symlink_to(tmp_path / "nowhere")
    assert "is not a regular file" in refusal(path)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "cannot be made or opened (File name too long)" in refusal(tmp_path / ("x" * 300))


def test_a_newline_in_the_path_does_not_break_the_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines"
    path.mkdir()
    assert "two\\nlines" in refusal(path)


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    with unprivileged() as folder:
        folder = folder / "locked"
        folder.mkdir(mode=0o500)
        assert "Permission denied" in refusal(folder / "store.sqlite")


def test_a_store_in_a_folder_that_may_not_be_written_is_refused() -> None:
    with unprivileged() as folder:
        folder = folder / "locked"
        folder.mkdir()
        Store.open(folder / "store.sqlite").close()
        folder.chmod(0o500)
        refusal(folder / "store.sqlite")
        folder.chmod(0o700)


def test_a_store_that_may_not_be_written_is_refused_for_recording_but_can_be_read() -> None:
    with unprivileged() as folder:
        path = folder / "store.sqlite"
        with Store.open(path) as store:
            store.add_run(a_run())
        path.chmod(0o400)
        assert "may not be written (" in refusal(path)
        with Store.open(path, create=False) as store:
            assert store.runs() == [a_run()]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("model,engine\n" * 500)
    assert "is not a SQLite database (" in refusal(path)
    assert path.read_text() == "model,engine\n" * 500


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (photo TEXT)")
    before = path.read_bytes()
    assert "is a database of another program" in refusal(path)
    assert path.read_bytes() == before


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    assert (
        f"has schema version 99, newer than the {SCHEMA_VERSION} of this mlxbench; update"
        in refusal(path)
    )
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.touch()
    with Store.open(path) as store:
        store.add_run(a_run())
        assert store.runs() == [a_run()]


def test_signs_that_mean_something_in_an_address_are_plain_in_a_path(tmp_path: Path) -> None:
    path = tmp_path / "what? 100% #1 & café.sqlite"
    Store.open(path).close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_store_gives_one_line_or_its_records_and_never_a_traceback(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "store.sqlite"
    trials = tuple(map(a_trial, range(50)))
    with Store.open(path) as store:
        store.add_run(a_run(trials=trials))
    draw = random.Random(seed)
    content = bytearray(path.read_bytes())
    start = draw.randrange(len(content))
    content[start : start + 2000] = draw.randbytes(min(2000, len(content) - start))
    path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
    try:
        with Store.open(path) as store:
            store.runs()
            store.trial_facts()
            store.run(a_run().run_id)
            store.add_trial(a_run().run_id, a_trial(50))
    except MlxbenchError as error:
        assert "\n" not in str(error)


def test_a_store_that_another_program_holds_is_an_error_after_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "store.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            Store.open(path)
    assert caught.value.exit_code == EXIT_FAILED
    assert "is locked (" in one_line(caught.value, path)
