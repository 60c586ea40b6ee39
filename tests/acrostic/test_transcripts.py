"""The grader on written transcripts: what replies look like, and what each of them is worth.

Each table says why it has its grades, by the rules for borderline replies. The sets were written
one after the other, each before the grader had seen it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mlxbench.acrostic import NOTE_PROMPT, PHRASE, grade
from mlxbench.acrostic.cleaning import letters

FOLDER = Path(__file__).parent / "transcripts"
FILES = sorted(FOLDER.glob("*/*.toml"))
TRANSCRIPTS: list[dict[str, Any]] = [
    {**transcript, "file": f"{file.parent.name}/{file.stem}"}
    for file in FILES
    for transcript in tomllib.loads(file.read_text(encoding="utf-8"))["transcript"]
]


@pytest.mark.parametrize("written", TRANSCRIPTS, ids=lambda one: f"{one['file']}:{one['name']}")
def test_a_transcript_gets_the_grades_that_it_was_written_for(written: dict[str, Any]) -> None:
    of_the_poem = written.get("item") == "fomo"
    found = grade(
        written["reply"],
        PHRASE if of_the_poem else written["phrase"],
        prompt=NOTE_PROMPT if of_the_poem else "",
        cut=written["finish_reason"] == "length",
    )
    wrong = written.get("wrong_phrase")
    assert found.final_grade == written["final_grade"], written["why"]
    assert found.thinking_grade == written.get("thinking_grade"), written["why"]
    assert letters(found.wrong_phrase or "") == letters(wrong or ""), written["why"]
    assert found.seed_verdict == written["seed_verdict"]


def test_the_transcripts_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(TRANSCRIPTS) >= 60
    assert len({written["name"] for written in TRANSCRIPTS}) == len(TRANSCRIPTS)


def test_every_grade_is_among_the_transcripts() -> None:
    finals = {written["final_grade"] for written in TRANSCRIPTS}
    assert finals == {0, 1, 2, 3, "TRUNCATED"}
    assert {written.get("thinking_grade") for written in TRANSCRIPTS} == {None, 0, 1, 2, 3}
