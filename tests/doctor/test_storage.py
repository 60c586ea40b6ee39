from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlxbench.doctor.finding import Finding
from mlxbench.doctor.storage import checkpoint_cache, result_store
from mlxbench.doctor.units import in_gb
from mlxbench.store import Store
from tests.store.store_samples import a_run
from tests.store.test_durability import file_size_limit
from tests.store.test_unusable_paths import unprivileged

GB = 1_000_000_000
DATA = Path(__file__).parents[1] / "data"


def problem(path: Path) -> Finding:
    found = result_store(path)
    assert found.status == "problem"
    assert found.advice
    assert "\n" not in found.value
    return found


def test_a_store_that_is_not_there_yet_is_proved_without_being_made(tmp_path: Path) -> None:
    found = result_store(tmp_path / "not" / "yet" / "results.sqlite")

    assert found.status == "ok"
    assert found.value.startswith("can be written; ")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Store.open(path) as store:
        store.add_run(a_run())

    assert result_store(path).status == "ok"
    with Store.open(path, create=False) as store:
        assert [run.run_id for run in store.runs()] == [a_run().run_id]


def test_an_old_store_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    shutil.copy(DATA / "store_v1.sqlite", path)

    found = result_store(path)

    assert found.status == "ok"
    assert found.value.startswith("can be written; version 1: the next measurement upgrades it; ")
    assert path.read_bytes() == (DATA / "store_v1.sqlite").read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_that_is_being_written_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Store.open(path) as store:
        store.add_run(a_run())
        before = {file: file.read_bytes() for file in tmp_path.iterdir()}

        assert result_store(path).status == "ok"

        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
        store.finish_run(a_run().run_id, "done", ())


def test_a_store_that_may_not_be_written_is_a_problem() -> None:
    with unprivileged() as folder:
        path = folder / "r.sqlite"
        Store.open(path).close()
        path.chmod(0o400)
        assert "may not be written" in problem(path).value


def test_places_where_no_store_can_be_are_problems(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    assert "regular file" in problem(tmp_path).value
    assert "SQLite" in problem(tmp_path / "file").value
    assert "regular file" in problem(tmp_path / "link").value
    assert "can be made" in problem(tmp_path / "file" / "below" / "it.sqlite").value
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link"]


def test_a_store_of_a_newer_mlxbench_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9999")

    assert problem(path)


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_takes_nothing_more_is_a_problem(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "results.sqlite"
    if there:
        Store.open(path).close()
    with file_size_limit(512):
        assert str(path) in problem(path).value
    assert there or list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_a_problem() -> None:
    with unprivileged() as folder:
        (folder / "closed").mkdir(mode=0o500)
        assert "no result store can be made" in problem(folder / "closed" / "r.sqlite").value


@pytest.mark.parametrize(
    ("free", "status", "said"),
    [
        (None, "unknown", "does not tell"),
        (300 * GB, "ok", "300.0 GB free"),
        (19 * GB, "warning", "only 19.0 GB free"),
        (0, "warning", "only 0.0 MB free"),
    ],
)
def test_room_for_one_checkpoint_is_asked_for(free: int | None, status: str, said: str) -> None:
    found = checkpoint_cache(free)

    assert found.status == status
    assert said in found.value
    assert bool(found.advice) == (status == "warning")


def test_little_is_counted_in_megabytes() -> None:
    assert [in_gb(size) for size in (17_180_000_000, 100_000_000, 3_400_000)] == [
        "17.2 GB",
        "0.1 GB",
        "3.4 MB",
    ]
