"""`mlxbench probe grade`: replies from files, whoever gave them.

A reply of our own that is empty is a fact, and graded. An empty file, or one in another encoding,
is rather a mistake of whoever made it, and a grade of 0 would hide that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlxbench import acrostic
from mlxbench.acrostic import Grades
from mlxbench.cli.output import console, print_json
from mlxbench.errors import InputError
from mlxbench.report.probe_tables import grades_report
from mlxbench.report.probes import passes

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
    control = asked is not None and asked.phrase is None
    cut = finish_reason == "length"

    def graded(reply: str) -> Grades:
        if asked is None:
            return acrostic.grade(reply, phrase, cut=cut)
        return acrostic.grade(reply, asked.phrase, prompt=asked.prompt, cut=cut)

    found = [(name, graded(reply)) for name, reply in _replies(files)]
    if as_json:
        named = asked.name if asked else None
        print_json({"grades": [_document(name, named, one, control) for name, one in found]})
        return
    for part in grades_report(found, control):
        console().print(part)


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
        yield name, _text(name, content)


def _text(name: str, content: bytes) -> str:
    """Raises InputError for what is no text, or none at all."""
    try:
        reply = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 (byte {error.start + 1:,})", "save the reply as UTF-8 text"
        ) from error
    if not reply.strip():
        raise InputError(f"{name} is empty", "name a file with one reply in it")
    return reply


def _content(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(LARGEST_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


def _document(name: str, item: str | None, grades: Grades, control: bool) -> dict[str, Any]:
    return {
        "file": name,
        "item": item,
        "final_grade": grades.final_grade,
        "thinking_grade": grades.thinking_grade,
        "wrong_phrase": grades.wrong_phrase,
        "verdict": "PASS" if passes(grades, control) else "FAIL",
        "seed_verdict": grades.seed_verdict,
    }
