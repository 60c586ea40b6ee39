from __future__ import annotations

import shutil
from pathlib import Path

from mlxbench.environment.disk import free_bytes, nearest_existing


def test_room_is_that_of_the_disk_where_a_missing_file_would_lie(tmp_path: Path) -> None:
    found = free_bytes(tmp_path / "not" / "yet" / "there")

    assert found is not None
    assert 0 < found <= shutil.disk_usage(tmp_path).total


def test_the_nearest_folder_is_the_first_that_exists(tmp_path: Path) -> None:
    assert nearest_existing(tmp_path / "a" / "b") == tmp_path
    assert nearest_existing(tmp_path) == tmp_path


def test_a_path_that_no_system_takes_is_unknown() -> None:
    assert free_bytes(Path("/" + "x" * 5000)) is None
