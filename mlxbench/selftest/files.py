"""The file of a self-test: reserved before anything is measured, whole at any moment, read warily.

It is replaced after each step, in one move, so whoever ends a self-test keeps what was found. The
owner alone may read it (mode 0600). What is read may come from anybody: its size is bounded, every
value has to be of the type that it should be, and an unknown one is refused.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from mlxbench.errors import InputError, MeasurementError
from mlxbench.records import SCHEMA_VERSION, Environment
from mlxbench.selftest.checked import FORMAT, Checked, SelfTest, Status, Step

KEY = "self_test"
MODE = 0o600
MOST_BYTES = 4 << 20
MOST_ENTRIES = 10_000
LARGEST = 1e18  # of any figure, either way
_ADVICE = "give --read a file that `mlxbench doctor --self-test` wrote"


def default_path(now: datetime | None = None) -> Path:
    """A name with today's date that is not taken yet, in the current folder."""
    day = f"{now or datetime.now(UTC):%Y-%m-%d}"
    path = Path(f"mlxbench-self-test-{day}.json")
    number = 2
    while os.path.lexists(path):
        path = Path(f"mlxbench-self-test-{day}-{number}.json")
        number += 1
    return path


def reserve(path: Path) -> None:
    """Make the file, empty. Raises InputError where one is already, or none can be."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))
    except FileExistsError as error:
        raise InputError(f"{path} is there already", "give --output another name") from error
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror})", "give --output a file in another folder"
        ) from error


def write(path: Path, found: SelfTest) -> None:
    """Replace the file by the document so far."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                whole = {"schema_version": SCHEMA_VERSION, **document(found)}
                file.write(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)  # it is there only if something went wrong
    except OSError as error:
        raise MeasurementError(
            f"cannot write {path} ({error.strerror})", "free some space and run the self-test again"
        ) from error


def document(found: SelfTest) -> dict[str, Any]:
    """The content of the file, and of the JSON document on stdout."""
    return {KEY: asdict(found)}


def read(path: Path) -> SelfTest:
    """The self-test in a file of anybody's. Raises InputError for what is not one."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})", _ADVICE) from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB", _ADVICE)
    try:
        whole = json.loads(content, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON", _ADVICE) from error
    found = whole.get(KEY) if isinstance(whole, dict) else None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no self-test", _ADVICE)
    made_by = found.get("format")
    if type(made_by) is int and made_by > FORMAT:
        raise InputError(
            f"{path} has format {made_by}, and this mlxbench reads up to {FORMAT}",
            "read it with the mlxbench that wrote it, or a newer one",
        )
    try:
        return _self_test(found)
    except ValueError as error:
        raise InputError(f"{path} is no self-test ({error})", _ADVICE) from error


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _self_test(values: Mapping[str, Any]) -> SelfTest:
    """Raises ValueError for anything that does not belong."""
    if values.get("format") != FORMAT:
        raise ValueError("its format is unknown")
    if values.get("status") not in get_args(Status):
        raise ValueError("its status is unknown")
    return SelfTest(
        created_utc=_text(values, "created_utc"),
        status=values["status"],
        scale=_text(values, "scale"),
        environment=_environment(_mapping(values, "environment")),
        steps=tuple(
            Step(_text(one, "title"), _number(one, "seconds")) for one in _list(values, "steps")
        ),
        checks=tuple(_checked(one) for one in _list(values, "checks")),
    )


def _checked(values: Mapping[str, Any]) -> Checked:
    passed = values.get("passed")
    if passed is not None and type(passed) is not bool:
        raise ValueError("a check has no answer")
    names = ("topic", "name", "value", "expected", "sentence")
    figures = _mapping(values, "figures")
    texts = {name: _text(values, name) for name in names}
    return Checked(passed=passed, figures={key: _number(figures, key) for key in figures}, **texts)


def _environment(values: Mapping[str, Any]) -> Environment:
    """The fields that this version knows; each has to be of its type."""
    kinds = get_type_hints(Environment)
    kept: dict[str, Any] = {}
    for name in (field.name for field in fields(Environment)):
        value = values.get(name)
        if value is None:
            continue
        if get_origin(kinds[name]) is Mapping:
            texts = _mapping(values, name)
            kept[name] = {key: _text(texts, key) for key in texts}
        elif type(value) not in get_args(kinds[name]):
            raise ValueError(f"{name} is of another kind")
        elif isinstance(value, int | float) and not abs(value) < LARGEST:
            raise ValueError(f"{name} is out of bounds")
        else:
            kept[name] = value
    return Environment(**kept)


def _mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name)
    if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
        raise ValueError(f"{name} is no object")
    return value


def _list(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = values.get(name)
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise ValueError(f"{name} is no list")
    if not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name} holds something else than objects")
    return value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    if not abs(value) < LARGEST:
        raise ValueError(f"{name} is out of bounds")
    return float(value)
