"""What is set off, in whatever language of markup."""

from __future__ import annotations

import pytest

from mlxbench.acrostic.cleaning import CLOSE, OPEN, clean, letters

SET_OFF = [
    *("**x y**", "*x y*", "***x y***", "_x y_", "__x y__", "`x y`", '"x y"', "“x y”", "„x y“"),
    *("«x y»", "« x y »", "「x y」", "‘x y’", "'x y'", "<b>x y</b>", '<em class="a">x y</em>'),
    *("\\textbf{x y}", "\\boxed{x y}", "$\\text{x y}$", "<code>x y</code>"),
]


@pytest.mark.parametrize("text", SET_OFF)
def test_everything_that_sets_off_becomes_the_same_mark(text: str) -> None:
    assert clean(text).strip() == f"{OPEN}x y{CLOSE}"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1;31mF\x1b[0mOMO", "FOMO"),
        ("F\u200bO\u00adM\ufeffO", "FOMO"),
        ("ＦＯＭＯ", "FOMO"),
        ("𝐅𝐎𝐌𝐎", "FOMO"),
        ("**F**acing", "Facing"),
        ("<b>F</b>acing", "Facing"),
        ("&quot;a&quot; &lt;b&gt;", f"{OPEN}a{CLOSE} <b>"),
        ("[words](address)", "words"),
        ("~~FOCUS~~ FOMO", "  FOMO"),
        ("a<br>b", "a\nb"),
        ("a\r\nb\u2028c", "a\n\nb\nc"),
        ("snake_case_name", "snake_case_name"),
        ("it's don't", "it's don't"),
        ("2 * 3 * 4", "2  3  4"),
    ],
)
def test_forms_codes_and_tags_leave_the_letters(text: str, plain: str) -> None:
    assert clean(text) == plain


def test_our_own_marks_in_a_reply_are_not_believed() -> None:
    assert OPEN not in clean(f"{OPEN}x{CLOSE}")


def test_only_letters_make_a_phrase() -> None:
    assert letters("Don't — LOOK\nBack! 42") == "dontlookback"
    assert letters("ﬁne ＦＵＬＬ") == "finefull"
