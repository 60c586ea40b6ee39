"""The published figures are those of the records, and each record says how to make it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import render

RECORDS = sorted((render.ROOT / "benchmarks" / "results").glob("*.json"))


def test_the_page_of_figures_is_rendered_from_the_records() -> None:
    assert render.PAGE.read_text() == render.page(), "run `python -m benchmarks.render`"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_has_its_command_and_versions(path: Path) -> None:
    record = json.loads(path.read_text())
    conditions = record.get("conditions", record)
    assert conditions["command"].startswith("python -m benchmarks.")
    assert conditions["versions"]["mlxbench"]


def test_every_record_is_on_the_page() -> None:
    template = (render.ROOT / "benchmarks" / "page.md.jinja").read_text()
    assert [path.stem for path in RECORDS if f'"{path.stem}"' not in template] == []
