"""Experiments are found by looking, and what is wrong with a folder is said in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxbench.errors import InputError
from mlxbench.lab.creating import create
from mlxbench.lab.discovery import builtin_folder, discover, pick


def test_every_folder_with_an_experiment_is_found() -> None:
    folders = {path.parent.name for path in builtin_folder().glob("*/experiment.py")}
    assert set(discover()) == folders
    assert {"softmax_topk", "moe_experts", "gate_up_concat", "cached_lhs_indices"} <= folders


def test_a_folder_of_ones_own_lies_over_ours(tmp_path: Path) -> None:
    create("mine", tmp_path)
    create("softmax_topk", tmp_path)
    found = discover(tmp_path)
    assert found["mine"].folder == tmp_path / "mine"
    assert found["softmax_topk"].folder == tmp_path / "softmax_topk"
    assert found["moe_experts"].folder == builtin_folder() / "moe_experts"


def test_the_digest_follows_the_sources(tmp_path: Path) -> None:
    place = create("mine", tmp_path)
    before = discover(tmp_path)["mine"].label
    (place / "NOTES.md").write_text("measured")
    assert discover(tmp_path)["mine"].label == before
    (place / "kernel.metal").write_text((place / "kernel.metal").read_text() + "\n")
    assert discover(tmp_path)["mine"].label != before


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("experiment.py", "x = 1\n", "has no EXPERIMENT"),
        ("experiment.py", "EXPERIMENT = 3\n", "has no EXPERIMENT"),
        ("experiment.py", "1 / 0\n", "line 1: ZeroDivisionError"),
        ("experiment.py", "import nothing_like_this\n", "line 1: ModuleNotFoundError"),
        ("experiment.py", "def f(:\n", "SyntaxError"),
    ],
)
def test_a_broken_experiment_is_said_with_its_line(
    tmp_path: Path, file: str, content: str, said: str
) -> None:
    place = create("mine", tmp_path)
    (place / file).write_text(content)
    with pytest.raises(InputError, match=said):
        discover(tmp_path)


def test_a_missing_source_and_a_wrong_name_are_said(tmp_path: Path) -> None:
    place = create("mine", tmp_path)
    (place / "kernel.metal").unlink()
    with pytest.raises(InputError, match=r"has no kernel\.metal"):
        discover(tmp_path)
    create("other", tmp_path / "b")
    (tmp_path / "b" / "other").rename(tmp_path / "b" / "renamed")
    with pytest.raises(InputError, match="names itself 'other'"):
        discover(tmp_path / "b")


def test_a_name_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(InputError, match="softmax_topk"):
        pick(discover(), ("softmax",))


@pytest.mark.parametrize("name", ["", "1st", "A", "a-b", "../x", "class", "a" * 41])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot name"):
        create(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    place = create("mine", tmp_path)
    (place / "kernel.metal").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        create("mine", tmp_path)
    assert (place / "kernel.metal").read_text() == "mine"
