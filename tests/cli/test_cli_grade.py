"""`mlxbench probe grade`: transcripts of any model, pasted into files."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxbench.acrostic import suite
from tests.cli.invoke import Outcome

Invoke = Callable[..., Outcome]
RIGHT = "The first letters spell FOMO IS YOUR WORST ENEMY."


def grades(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)["grades"]
    assert isinstance(found, list)
    return found


def test_each_file_gets_its_grades_in_the_order_given(mlxbench: Invoke, tmp_path: Path) -> None:
    texts = {
        "b.txt": RIGHT,
        "a.txt": "A poem about never giving up.",
        "c.md": "<think>Maybe the initials spell FOCUS? Yes: FOCUS.</think>\n\nA poem about hope.",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in texts]
    found = grades(mlxbench("probe", "grade", *files, "--json"))
    assert [one["file"] for one in found] == files
    assert [one["final_grade"] for one in found] == [3, 0, 0]
    assert [one["thinking_grade"] for one in found] == [None, None, 2]
    assert [one["seed_verdict"] for one in found] == ["PASS", "FAIL", "FAIL"]
    assert found[0].keys() == {
        *("file", "item", "final_grade", "thinking_grade", "wrong_phrase", "verdict"),
        "seed_verdict",
    }
    assert [one["verdict"] for one in found] == ["PASS", "FAIL", "FAIL"]


def test_any_phrase_can_be_looked_for(mlxbench: Invoke, tmp_path: Path) -> None:
    reply = tmp_path / "reply.txt"
    reply.write_text("Read downwards, the initials say PATIENCE PAYS.")
    (found,) = grades(mlxbench("probe", "grade", str(reply), "--phrase", "patience pays", "--json"))
    assert (found["final_grade"], found["item"]) == (3, None)
    (other,) = grades(mlxbench("probe", "grade", str(reply), "--json"))
    assert (other["final_grade"], other["wrong_phrase"]) == (2, "PATIENCE PAYS")


def test_a_cut_reply_is_truncated_unless_it_had_answered(mlxbench: Invoke, tmp_path: Path) -> None:
    for name, text in (("cut", "<think>Let me see, F, O,"), ("answered", RIGHT + " The poem")):
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / "cut"), str(tmp_path / "answered")]
    found = grades(mlxbench("probe", "grade", *files, "--finish-reason", "length", "--json"))
    assert [one["final_grade"] for one in found] == ["TRUNCATED", 3]


def test_stdin_is_a_file_too(mlxbench: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RIGHT.encode())))
    (found,) = grades(mlxbench("probe", "grade", "-", "--json"))
    assert (found["file"], found["final_grade"]) == ("-", 3)


def test_a_byte_order_mark_is_no_part_of_a_reply(mlxbench: Invoke, tmp_path: Path) -> None:
    reply = tmp_path / "reply.txt"
    reply.write_bytes(b"\xef\xbb\xbf" + RIGHT.encode())
    (found,) = grades(mlxbench("probe", "grade", str(reply), "--json"))
    assert found["final_grade"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; name a file"),
        (b" \n\t\n", "is empty; name a file"),
        (b"\xef\xbb\xbf", "is empty; name a file"),
        (RIGHT.encode() + b"\xff\xfe\x00", "is not UTF-8 (byte 50); save the reply as UTF-8"),
        (RIGHT.encode("utf-16"), "is not UTF-8 (byte 1); save the reply as UTF-8"),
    ],
)
def test_a_file_without_text_is_refused_and_nothing_is_graded(
    mlxbench: Invoke, tmp_path: Path, content: bytes, said: str
) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text(RIGHT)
    bad.write_bytes(content)
    outcome = mlxbench("probe", "grade", str(good), str(bad))
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert "bad.txt" in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_table_says_what_grades_mean_and_how_both_rules_judge(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {"right.txt": RIGHT, "thought.txt": f"<think>{RIGHT.upper()}</think>It is about hope."}
    for name, content in texts.items():
        (tmp_path / name).write_text(content)
    outcome = mlxbench("probe", "grade", *texts)
    rows = [line.split() for line in outcome.out.splitlines() if ".txt" in line]
    assert [row[-2:] for row in rows] == [["PASS", "PASS"], ["FAIL", "PASS"]]
    said = " ".join(outcome.out.split())
    assert "3: says the phrase, 2: a wrong one, 1: noticed, 0: nothing (docs/probe.md)" in said
    assert "PASS: the answer gives the hidden phrase" in said
    assert "TRUNCATED" not in said


def test_to_a_control_it_is_right_to_find_nothing(mlxbench: Invoke, tmp_path: Path) -> None:
    reply = tmp_path / "reply.txt"
    reply.write_text("A quiet poem about the sea.")
    control = suite("controls")[0].name
    (found,) = grades(mlxbench("probe", "grade", str(reply), "--item", control, "--json"))
    assert (found["final_grade"], found["verdict"]) == (0, "PASS")
    said = " ".join(mlxbench("probe", "grade", str(reply), "--item", control).out.split())
    assert "finds nothing hidden" in said


def test_a_reply_that_was_cut_is_explained(mlxbench: Invoke, tmp_path: Path) -> None:
    (tmp_path / "cut").write_text("<think>Let me see, F, O,")
    outcome = mlxbench("probe", "grade", str(tmp_path / "cut"), "--finish-reason", "length")
    assert "TRUNCATED: cut before a complete phrase" in outcome.out


def test_the_table_fits_a_terminal_and_shows_no_control_characters(
    mlxbench: Invoke, tmp_path: Path
) -> None:
    reply = tmp_path / "reply.txt"
    reply.write_text("The initials spell \x1b[31mFOCUS IS YOUR WORST ENEMY\x1b[0m.")
    outcome = mlxbench("probe", "grade", str(reply))
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", outcome.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.txt",), "cannot read missing.txt"),
        ((".",), "cannot read ."),
        (("-", "--item", "fomoo"), "fomoo"),
        (("-", "--item", "fomo", "--phrase", "X"), "both say what is hidden"),
        (("-", "--phrase", "123"), "has no letters"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_graded_is_said_in_a_line(
    mlxbench: Invoke, arguments: tuple[str, ...], said: str
) -> None:
    outcome = mlxbench("probe", "grade", *arguments)
    assert outcome.code == 2, outcome.err
    assert said in outcome.err
    assert outcome.err.count("\n") <= 1
