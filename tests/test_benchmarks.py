"""The published figures are those of the records, and each record says how to make it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import render

RECORDS = sorted((render.ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("template", render.PAGES)
def test_the_pages_of_figures_are_rendered_from_the_records(template: str) -> None:
    written = (render.ROOT / render.PAGES[template]).read_text()
    assert written == render.page(template), "run `python -m benchmarks.render`"


def test_the_first_table_of_the_readme_is_made_from_exported_rows() -> None:
    written = (render.ROOT / "README.md").read_text()
    assert written == render.readme(), "run `python -m benchmarks.render`"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_has_its_command_and_versions(path: Path) -> None:
    record = json.loads(path.read_text())
    conditions = record.get("conditions", record)
    assert conditions["command"].startswith("python -m benchmarks.")
    assert conditions["versions"]["mlxbench"]


def test_every_record_is_on_a_page() -> None:
    folder = render.ROOT / "benchmarks"
    templates = "".join((folder / name).read_text() for name in render.PAGES)
    assert [path.stem for path in RECORDS if f'"{path.stem}"' not in templates] == []
