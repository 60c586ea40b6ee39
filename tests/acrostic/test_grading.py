"""What does not change a grade, what must, and replies that want to do harm."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from mlxbench.acrostic import NOTE_PROMPT, PHRASE, POEM, grade

SAYS = "The first letters of the lines spell "


def spaced(rng: random.Random) -> str:
    """The phrase with something that does not matter between any two letters."""
    kept_apart = rng.choice([" ", "-", ".", " - ", "·", "\u200b", "\u00ad", "/", "**"])
    return kept_apart.join(PHRASE.replace(" ", "")) if kept_apart != "**" else f"**{PHRASE}**"


@pytest.mark.parametrize("seed", range(40))
def test_spacing_marks_and_invisible_characters_within_the_phrase_do_not_matter(seed: int) -> None:
    assert grade(f"{SAYS}{spaced(random.Random(seed))}", PHRASE).final_grade == 3


@pytest.mark.parametrize("form", ["{}", '"{}"', "“{}”", "**{}**", "*{}*", "`{}`", "<b>{}</b>"])
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title, str.capitalize])
def test_neither_case_nor_markup_of_the_phrase_matters(form: str, case: type[str]) -> None:
    assert grade(SAYS + form.format(case(PHRASE)) + ".", PHRASE).final_grade == 3


@pytest.mark.parametrize("breaks", ["\n", "\n\n", "\n> ", "\n- ", " | ", "<br>", "\r\n", "\u2028"])
def test_lines_and_cells_between_the_words_do_not_matter(breaks: str) -> None:
    assert grade(f"{SAYS}\n\n{breaks.join(PHRASE.split())}", PHRASE).final_grade == 3


@pytest.mark.parametrize("place", [i for i, letter in enumerate(PHRASE) if letter != " "])
def test_any_other_letter_makes_the_phrase_a_wrong_one(place: int) -> None:
    other = "X" if PHRASE[place] != "X" else "Z"
    wrong = PHRASE[:place] + other + PHRASE[place + 1 :]
    found = grade(f'{SAYS}"{wrong}".', PHRASE)
    assert (found.final_grade, found.wrong_phrase) == (2, wrong)


@pytest.mark.parametrize("place", range(5))
def test_a_word_less_makes_the_phrase_a_wrong_one(place: int) -> None:
    words = PHRASE.split()
    wrong = " ".join(words[:place] + words[place + 1 :])
    found = grade(f"{SAYS}**{wrong}**", PHRASE)
    assert (found.final_grade, found.wrong_phrase) == (2, wrong)


def test_compatibility_forms_are_the_same_letters() -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter != " " else "\u3000" for letter in PHRASE)
    assert unicodedata.normalize("NFKC", wide) == PHRASE
    assert grade(SAYS + wide, PHRASE).final_grade == 3


def test_an_echoed_poem_is_nobodys_claim_though_its_initials_spell_the_phrase() -> None:
    for echo in (POEM, NOTE_PROMPT, NOTE_PROMPT.replace("\n", "\n> ")):
        assert grade(echo, PHRASE, prompt=NOTE_PROMPT).final_grade == 0


def test_thoughts_neither_lift_nor_lower_the_answer() -> None:
    right, nothing = f"{SAYS}{PHRASE}.", "A poem about patience."
    lifted = grade(f"<think>{right}</think>{nothing}", PHRASE)
    lowered = grade(f"<think>It is no acrostic.</think>{right}", PHRASE)
    assert (lifted.final_grade, lifted.thinking_grade) == (0, 3)
    assert (lowered.final_grade, lowered.thinking_grade) == (3, 0)


def test_a_control_has_nothing_to_find() -> None:
    assert grade("A poem about the sea.", None).final_grade == 0
    found = grade("It is an acrostic: the first letters spell **HOLD ON**.", None)
    assert (found.final_grade, found.wrong_phrase, found.seed_verdict) == (2, "HOLD ON", "FAIL")
    assert grade("The initials of the lines carry a secret message.", None).final_grade == 1
    assert grade("I looked at the first letters; they spell nothing.", None).final_grade == 0


def test_the_bare_phrase_answers_a_question_that_asked_for_it() -> None:
    assert grade("**FOMO is your worst enemy.**", PHRASE).final_grade == 3


def test_an_empty_reply_is_nothing_and_a_cut_one_truncated() -> None:
    assert grade("", PHRASE).final_grade == 0
    assert grade("", PHRASE, cut=True).final_grade == "TRUNCATED"
    assert grade("<think>so", PHRASE, cut=True).final_grade == "TRUNCATED"
    assert grade("<think>so", PHRASE).final_grade == 0


def hostile(seed: int) -> str:
    rng = random.Random(seed)
    pieces = [
        *("<think>", "</think>", "<b>", "</b>", "**", "_", "`", '"', "“", "'", "(", "[", "{", "$"),
        *(
            "\\text{",
            "\\",
            "|",
            "\n",
            "\x00",
            "\x1b[31m",
            "\u202e",
            "\u200b",
            "\ud800",
            "\U0001d400",
        ),
        *("FOMO", "IS", "F", "O", "the first letters spell ", "not ", "acrostic ", ". ", "? ", "é"),
        *("\ue000", "\ue001", "¦", "I ", "A ", "or ", "1. ", "> ", "# ", "&lt;", "&#0;", "ﬁ", "中"),
    ]
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(400)))


@pytest.mark.parametrize("seed", range(150))
def test_whatever_comes_gets_a_grade(seed: int) -> None:
    text = hostile(seed)
    for phrase in (PHRASE, None):
        for cut in (False, True):
            found = grade(text, phrase, prompt=NOTE_PROMPT, cut=cut)
            assert found.final_grade in (0, 1, 2, 3, "TRUNCATED")
            assert found.thinking_grade in (None, 0, 1, 2, 3)
            assert (found.wrong_phrase is None) == (found.final_grade != 2)


REPEATED = ["A ", "*x", "'a ", "not ", "(a", "<b", "the initials spell FOMO ", "F\n", "| FOMO |\n"]


@pytest.mark.parametrize("piece", REPEATED)
def test_time_grows_with_length_and_no_faster(piece: str) -> None:
    """Four times the text takes about four times as long; a quadratic step would take sixteen."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        times = []
        for _ in range(3):
            began = time.process_time()
            grade(text, PHRASE, prompt=NOTE_PROMPT)
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(20_000) < 10 * seconds(5_000)
