"""A TOML file as text and as a document, and faults in it said in one line.

A fault names file, line, key and what is allowed. tomllib keeps no positions, so the line of a
fault that is not one of syntax is found by looking for the key under its header. A file in another
layout than the documented one (inline tables) may get the line of the enclosing table, or none.
"""

from __future__ import annotations

import re
import reprlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mlxbench.errors import RegistryError

_MAX_FILE_BYTES = 1 << 20
_MAX_REASON = 200
_LONGEST_INTEGER = 10**18  # beyond this an integer is described, not shown


class Place(NamedTuple):
    """A table of the file: index of the [[model]], section under it, index within the section."""

    model: int
    section: str = ""
    item: int = 0


TOP = Place(-1)


@dataclass(frozen=True, slots=True)
class TomlText:
    """A file's path and text, kept to say where a fault lies."""

    path: Path
    text: str

    def fault(self, place: Place, key: str, problem: str, advice: str) -> RegistryError:
        """The error for `key` of the table at `place`; an empty key means the table itself."""
        line = _line_of(self.text, place, key)
        if line is None and place.section:
            line = _line_of(self.text, Place(place.model), place.section)
        return _error(self.path, line, problem, advice)


def read(path: Path) -> TomlText:
    """Read a file of at most 1 MiB of UTF-8; `RegistryError` if it is not one."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        advice = "name a readable file with --models-file or MLXBENCH_MODELS"
        raise _error(path, None, f"cannot be read: {error.strerror}", advice) from error
    if len(data) > _MAX_FILE_BYTES:
        raise _error(path, None, "larger than 1 MiB", "keep only [[model]] tables in it")
    try:
        return TomlText(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(path, line, "not UTF-8", "save the file in that encoding") from error


def parse(file: TomlText) -> dict[str, Any]:
    """Parse the text; `RegistryError` where its syntax is wrong."""
    advice = "correct the syntax; the format is described at the top of mlxbench's own models.toml"
    try:
        return tomllib.loads(file.text)
    except RecursionError as error:
        raise _error(file.path, None, "not TOML: nested too deeply", advice) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        found = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = int(found[1]) if found else None
        reason = str(error)[: found.start() if found else None]
        problem = f"not TOML: {reason[:_MAX_REASON]}"
        raise _error(file.path, line, problem, advice) from error


def shown(value: object) -> str:
    """A value from outside as a short piece of one line."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and abs(value) > _LONGEST_INTEGER:
        return "a huge number"  # repr refuses thousands of digits
    return reprlib.repr(value)


def _error(path: Path, line: int | None, problem: str, advice: str) -> RegistryError:
    name = str(path) if str(path).isprintable() else shown(str(path))
    where = name if line is None else f"{name}:{line}"
    return RegistryError(f"{where}: {problem}", advice)


def _line_of(text: str, place: Place, key: str) -> int | None:
    """Find the line of `key` in the table at `place`, or else the header of that table."""
    assignment = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
    header_line = None
    model, here = -1, TOP
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"""\s*\[+\s*["']?([^\]]+?)["']?\s*\]""", line)
        if header is None:
            if here == place and assignment.match(line):
                return number
            continue
        title = header[1]
        model += title == "model"
        if _opens(title, model, place, key):
            return number
        here = _table(title, model, here)
        if here == place:
            header_line = number
    return header_line


def _opens(title: str, model: int, place: Place, key: str) -> bool:
    """Whether a header is itself the first mention of `key`, as in [model.shape] or [oops]."""
    if place == TOP:
        return bool(key) and title.startswith(key)
    return place == Place(model) and title == f"model.{key}"


def _table(title: str, model: int, before: Place) -> Place:
    """The table that a header opens; an array's items are counted from one header to the next."""
    if title == "model":
        return Place(model)
    if not title.startswith("model."):
        return Place(TOP.model, title)
    section = title.removeprefix("model.")
    again = before.model == model and before.section == section
    return Place(model, section, before.item + 1 if again else 0)
