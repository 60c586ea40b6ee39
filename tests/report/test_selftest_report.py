"""A self-test on a terminal: what failed first, and foreign text is harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from mlxbench.report import selftest as report
from mlxbench.selftest import SelfTest, Step
from tests.selftest.samples import BAD, GOOD, MAC, OPEN, a_self_test

HOSTILE = "\x1b[2J\u202e[bold]x[/]\nnext\r"


def printed(found: SelfTest, width: int = 80) -> str:
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as captured:
        for part in report.report(found):
            console.print(part)
    return captured.get()


def test_the_machine_and_the_outcome_stand_on_top() -> None:
    assert printed(a_self_test(), 200).splitlines()[:2] == [
        "Apple M3 Ultra · metal · mlx 0.32.4 · 80 GPU cores · memory 512.00 GiB · macOS 15.5 · "
        "mlxbench 0.1.0",
        "self-test of 2026-11-23T04:15:22+00:00: 1 passed, 1 failed, 1 without a verdict, "
        "1 min 2 s",
    ]


def test_a_failed_check_is_told_before_the_table_with_what_was_due() -> None:
    text = printed(a_self_test(GOOD, BAD, OPEN), 200)
    line = "FAILED kernel a, check on metal: 3 of 4 passed, expected all; too far"
    assert line in text
    assert text.index(line) < text.index("resolution")


def test_in_short_there_is_a_row_for_each_topic_and_every_failure() -> None:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        for part in report.brief(a_self_test(GOOD, BAD, OPEN)):
            console.print(part)
    text = captured.get()
    assert "FAILED kernel a, check on metal" in text
    (row,) = [line for line in text.splitlines() if line.startswith("kernel a")]
    assert row.split() == ["kernel", "a", "–", "1", "–"]
    assert OPEN.name not in text


def test_within_a_topic_failed_checks_come_first() -> None:
    good = [replace(GOOD, name=f"good {number}") for number in range(2)]
    text = printed(a_self_test(*good, replace(BAD, topic=GOOD.topic, name="bad one")))
    assert text.index("bad one  ") < text.index("good 0")


def test_the_heading_of_a_topic_is_one_line_and_an_answer_without_verdict_is_noted() -> None:
    topics = ("waiting for the device", "kernel cached_lhs_indices")
    checks = [replace(OPEN, topic=topic, value="word " * 30, expected="x" * 40) for topic in topics]
    lines = printed(a_self_test(*checks)).splitlines()
    for topic in topics:
        assert topic in {line.strip() for line in lines}
    rows = [line for line in lines if line.startswith("  argmax")]
    assert [line.split()[1] for line in rows] == ["noted", "noted"]


def test_an_interrupted_one_says_so() -> None:
    assert "(interrupted: not all steps were done)" in printed(
        replace(a_self_test(), status="interrupted"), 200
    )


def test_one_without_any_check_has_no_table() -> None:
    assert "expected" not in printed(replace(a_self_test(), checks=()))


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = printed(a_self_test(GOOD, replace(BAD, value="word " * 40, name="name " * 20)), width)
    assert max(map(len, text.splitlines())) <= width


def test_foreign_text_is_harmless() -> None:
    hostile = replace(
        GOOD, topic=HOSTILE, name=HOSTILE, passed=False, value=HOSTILE, expected=HOSTILE,
        sentence=HOSTILE,
    )  # fmt: skip
    machine = replace(MAC, os=HOSTILE, accelerator=HOSTILE, versions={"mlx": HOSTILE})
    found = replace(
        a_self_test(hostile),
        environment=machine,
        created_utc=HOSTILE,
        scale=HOSTILE,
        steps=(Step(HOSTILE, 1e17),),
    )
    text = printed(found)
    assert not {"\x1b", "\u202e", "\r"} & set(text)
    assert "[bold]x[/]" in text
