"""`mlxbench probe grade`: replies from files, whoever gave them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlxbench import acrostic
from mlxbench.acrostic import Grades
from mlxbench.cli.output import console, print_json
from mlxbench.errors import InputError
from mlxbench.report.format import MISSING
from mlxbench.report.terminal import table, text

STDIN = "-"
LARGEST_BYTES = 64 << 20


def grade_all(
    files: Sequence[str], item: str | None, phrase: str | None, finish_reason: str, as_json: bool
) -> None:
    """Print the grades of every file, in the order given."""
    if item is not None and phrase is not None:
        raise InputError("--item and --phrase both say what is hidden", "give one of them")
    if phrase is not None and not any(letter.isalpha() for letter in phrase):
        raise InputError(f"--phrase {phrase!r} has no letters", 'write it out: "PATIENCE PAYS"')
    asked = None if phrase is not None else acrostic.item(item or "fomo")
    cut = finish_reason == "length"

    def graded(reply: str) -> Grades:
        if asked is None:
            return acrostic.grade(reply, phrase, cut=cut)
        return acrostic.grade(reply, asked.phrase, prompt=asked.prompt, cut=cut)

    found = [(name, graded(reply)) for name, reply in _replies(files)]
    if as_json:
        named = asked.name if asked else None
        print_json({"grades": [_document(name, named, grades) for name, grades in found]})
        return
    made = table("file", "answer", "thoughts", "wrong phrase", "by the note's rule")
    for name, grades in found:
        thoughts = MISSING if grades.thinking_grade is None else str(grades.thinking_grade)
        wrong = text(grades.wrong_phrase or MISSING)
        answer = str(grades.final_grade)
        made.add_row(text(name), answer, thoughts, wrong, grades.seed_verdict)
    console().print(made)


def _replies(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each file's name and text. Raises InputError for one that cannot be read."""
    for name in files:
        try:
            content = _content(name)
        except OSError as error:
            raise InputError(
                f"cannot read {name} ({error.strerror})", "name a file with one reply in it"
            ) from error
        if len(content) > LARGEST_BYTES:
            raise InputError(
                f"{name} is larger than {LARGEST_BYTES >> 20} MiB", "name a file with one reply"
            )
        yield name, content.decode("utf-8-sig", errors="replace")


def _content(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(LARGEST_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


def _document(name: str, item: str | None, grades: Grades) -> dict[str, Any]:
    return {
        "file": name,
        "item": item,
        "final_grade": grades.final_grade,
        "thinking_grade": grades.thinking_grade,
        "wrong_phrase": grades.wrong_phrase,
        "seed_verdict": grades.seed_verdict,
    }
