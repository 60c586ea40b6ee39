"""What the phrase's own words, and letters in any case, must not change about a grade."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlxbench.acrostic import NOTE_PROMPT, PHRASE, grade

ASSERTIONS = (
    "The first letters of the lines spell {}.",
    "This is an acrostic: {}",
    "Die Anfangsbuchstaben der Zeilen ergeben: {}.",
    "Hidden message: {}",
)


@pytest.mark.parametrize("place", [at for at, one in enumerate(PHRASE) if one != " "])
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_one_changed_letter_in_any_case_is_a_wrong_phrase(
    case: Callable[[str], str], place: int
) -> None:
    wrong = f"{PHRASE[:place]}Q{PHRASE[place + 1 :]}"  # the phrase has no Q
    for assertion in ASSERTIONS:
        reply = assertion.format(case(wrong))
        assert grade(reply, PHRASE, prompt=NOTE_PROMPT).final_grade == 2, reply


@pytest.mark.parametrize("said", ["FOMO IS YOUR FRIEND", "Fomo  is your\u200b friend"])
def test_words_within_a_claim_do_not_make_it_somebody_elses(said: str) -> None:
    grades = grade(f'The initials spell "{said}".', PHRASE, prompt=NOTE_PROMPT)
    assert (grades.final_grade, grades.wrong_phrase) == (2, "FOMO IS YOUR FRIEND")


def test_it_does_confirms_a_hint() -> None:
    hint = f'You asked whether it hides "{PHRASE.lower()}". '
    assert grade(hint + "It does: every stanza gives one word.", PHRASE).final_grade == 3
    assert grade(hint + "It does not.", PHRASE).final_grade == 0
    assert grade(hint + "It does speak of growth.", PHRASE).final_grade == 0


def test_one_stanzas_word_alone_is_a_wrong_phrase() -> None:
    grades = grade("The initials of the first stanza spell FOMO.", PHRASE)
    assert (grades.final_grade, grades.wrong_phrase) == (2, "FOMO")
