"""The file: never overwritten, the owner's alone, whole at any moment, read warily."""

from __future__ import annotations

import json
import random
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlxbench import selftest
from mlxbench.errors import InputError, MeasurementError
from mlxbench.records import SCHEMA_VERSION
from mlxbench.selftest import files
from tests.selftest.samples import GOOD, a_self_test


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "self-test.json"


def written(path: Path) -> dict[str, Any]:
    selftest.write(path, a_self_test())
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def complaint(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as found:
        selftest.read(path)
    assert "\n" not in str(found.value)
    return found.value.problem.replace(str(path), "FILE")


def test_what_was_written_is_read_again(path: Path) -> None:
    selftest.write(path, a_self_test())
    assert selftest.read(path) == a_self_test()


def test_the_file_carries_the_schemas_version_and_its_own_format(path: Path) -> None:
    found = written(path)
    assert found["schema_version"] == SCHEMA_VERSION
    assert found["self_test"]["format"] == selftest.document(a_self_test())["self_test"]["format"]


def test_only_the_owner_may_read_it(path: Path) -> None:
    selftest.reserve(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    selftest.write(path, a_self_test())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_overwritten(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(InputError, match="is there already; give --output another name"):
        selftest.reserve(path)
    assert path.read_text() == "mine"


def test_neither_is_what_a_link_leads_to(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="there already"):
        selftest.reserve(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        selftest.reserve(tmp_path / "no" / "folder.json")


def test_a_folder_that_went_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="cannot write"):
        selftest.write(tmp_path / "gone" / "self-test.json", a_self_test())


def test_writing_leaves_nothing_else_behind(path: Path) -> None:
    written(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_usual_name_has_the_date_and_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    day = datetime(2026, 11, 23, tzinfo=UTC)
    for name in ("mlxbench-self-test-2026-11-23.json", "mlxbench-self-test-2026-11-23-2.json"):
        assert selftest.default_path(day) == Path(name)
        selftest.reserve(Path(name))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "FILE is not valid JSON"),
        ('{"self_test": ', "FILE is not valid JSON"),
        (b"\xff\xfe\x00", "FILE is not valid JSON"),
        ("[" * 100_000, "FILE is not valid JSON"),
        ('{"self_test": {"format": NaN}}', "FILE is not valid JSON"),
        ("[]", "FILE holds no self-test"),
        ('{"results": []}', "FILE holds no self-test"),
        ('{"self_test": []}', "FILE holds no self-test"),
        ('{"self_test": {}}', "FILE is no self-test (its format is unknown)"),
        ('{"self_test": {"format": true}}', "FILE is no self-test (its status is unknown)"),
        (b" " * (files.MOST_BYTES + 1), "FILE is larger than 4 MiB"),
    ],
)
def test_what_is_no_self_test_is_refused_in_a_line(
    path: Path, content: str | bytes, problem: str
) -> None:
    assert complaint(path, content) == problem


def test_a_newer_format_is_refused_by_its_number(path: Path) -> None:
    found = written(path)
    found["self_test"]["format"] = 2
    assert "has format 2, and this mlxbench reads up to 1" in complaint(path, json.dumps(found))


def test_an_interrupted_one_can_be_read(path: Path) -> None:
    selftest.write(path, replace(a_self_test(), status="interrupted"))
    assert selftest.read(path).status == "interrupted"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("checks",), {}),
        (("checks",), [1]),
        (("checks", 0, "passed"), 1),
        (("checks", 0, "passed"), "yes"),
        (("checks", 0, "value"), None),
        (("checks", 0, "figures"), {"a": "1"}),
        (("checks", 0, "figures"), {"a": True}),
        (("checks", 0, "figures"), {"a": 10**400}),
        (("checks", 0, "figures"), {"a": 1e30}),
        (("checks", 0, "figures"), []),
        (("steps", 0, "seconds"), "1"),
        (("environment",), None),
        (("environment", "cpu"), 1),
        (("environment", "cpu_cores"), 1.5),
        (("environment", "memory_bytes"), 10**400),
        (("environment", "load_1m"), -1e300),
        (("environment", "versions"), "1"),
        (("environment", "versions"), {"mlx": 1}),
        (("environment", "low_power_mode"), 1),
        (("status",), "half"),
        (("created_utc",), 2026),
    ],
)
def test_a_value_of_another_kind_is_refused(
    path: Path, where: tuple[str | int, ...], value: object
) -> None:
    found = written(path)
    inner: Any = found["self_test"]
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    assert complaint(path, json.dumps(found)).startswith("FILE is no self-test (")


def test_a_number_beyond_any_is_refused(path: Path) -> None:
    written(path)
    content = path.read_text().replace('"load_1m": 1.5', '"load_1m": 1e999')
    assert complaint(path, content) == "FILE is no self-test (load_1m is out of bounds)"


def test_topics_of_an_environment_that_are_not_known_here_are_left_out(path: Path) -> None:
    found = written(path)
    found["self_test"]["environment"]["of_tomorrow"] = 1
    path.write_text(json.dumps(found))
    assert selftest.read(path) == a_self_test()


def test_broken_files_never_do_more_than_raise_an_input_error(path: Path) -> None:
    dice = random.Random(3)
    selftest.write(path, a_self_test(GOOD))
    whole = path.read_bytes()
    read = 0
    for _ in range(1500):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(content))
            content[place : place + dice.randint(0, 9)] = dice.randbytes(dice.randint(0, 4))
        path.write_bytes(content)
        try:
            selftest.read(path)
            read += 1
        except InputError:
            continue
    assert read < 1500
