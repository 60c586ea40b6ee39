"""One models file, read and held against the rules. The first fault is raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from mlxbench.errors import RegistryError
from mlxbench.records import Reference, Shape
from mlxbench.registry.rules import (
    MODEL_RULES,
    REFERENCE_RULES,
    SHAPE_RELATIONS,
    SHAPE_RULES,
    Rule,
)
from mlxbench.registry.toml_text import TOP, Place, TomlText, parse, read, shown


@dataclass(frozen=True, slots=True)
class Entry:
    """A model's checked values, and the table that had the last word on them."""

    values: dict[str, Any]
    file: TomlText
    place: Place

    def fault(self, key: str, problem: str, advice: str) -> RegistryError:
        """The error for one of the entry's keys."""
        return self.file.fault(self.place, key, problem, advice)


def read_entries(path: Path) -> dict[str, Entry]:
    """Read and check one file; its entries by name, in the file's order."""
    file = read(path)
    entries: dict[str, Entry] = {}
    for index, table in enumerate(_model_tables(file)):
        entry = _entry(file, Place(index), table)
        name = entry.values["name"]
        if name in entries:
            raise entry.fault("name", f"a second model named '{name}'", "give each its own name")
        entries[name] = entry
    return entries


def _model_tables(file: TomlText) -> list[dict[str, Any]]:
    document = parse(file)
    for key in document:
        if key != "model":
            problem = f"unknown key {shown(key)}"
            raise file.fault(TOP, key, problem, "write each model as a [[model]] table")
    tables = document.get("model", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise file.fault(TOP, "model", "'model' is not a list of tables", "write [[model]]")
    return tables


def _entry(file: TomlText, place: Place, table: dict[str, Any]) -> Entry:
    _check(file, place, table, MODEL_RULES, required={"name"})
    values = dict(table)
    if "shape" in table:
        values["shape"] = _shape(file, Place(place.model, "shape"), table["shape"])
    if "references" in table:
        values["references"] = tuple(
            _reference(file, Place(place.model, "references", item), reference)
            for item, reference in enumerate(table["references"])
        )
    return Entry(values, file, place)


def _shape(file: TomlText, place: Place, table: dict[str, Any]) -> Shape:
    _check(file, place, table, SHAPE_RULES, _required(Shape))
    shape = Shape(**table)
    for key, rule in SHAPE_RELATIONS.items():
        if not rule.accepts(shape):
            raise _refused(file, place, key, getattr(shape, key), rule)
    return shape


def _reference(file: TomlText, place: Place, table: dict[str, Any]) -> Reference:
    _check(file, place, table, REFERENCE_RULES, _required(Reference))
    return Reference(**table)


def _required(record: type[Shape] | type[Reference]) -> set[str]:
    return {field.name for field in fields(record) if field.default is MISSING}


def _check(
    file: TomlText,
    place: Place,
    table: dict[str, Any],
    rules: Mapping[str, Rule],
    required: set[str],
) -> None:
    """Hold one table against its rules: no unknown key, none missing, every value allowed."""
    for key in table:
        if key not in rules:
            problem = f"unknown key {shown(key)}"
            raise file.fault(place, key, problem, f"use one of {', '.join(rules)}")
    for key, rule in rules.items():
        if key in required and key not in table:
            raise file.fault(place, "", f"'{key}' is missing", f"write {rule.allowed}")
        if key in table and not rule.accepts(table[key]):
            raise _refused(file, place, key, table[key], rule)


def _refused(file: TomlText, place: Place, key: str, value: object, rule: Rule) -> RegistryError:
    return file.fault(place, key, f"'{key}' is {shown(value)}", f"write {rule.allowed}")
