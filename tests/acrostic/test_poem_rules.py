"""Each rule for the probe's poems catches a planted mistake."""

from __future__ import annotations

import pytest

from mlxbench.acrostic.items import item, suite
from tests.acrostic import poem_rules as rules

GOOD = item("heldout-04")  # HALF IS PLENTY, 12 lines, decoy HARVEST
LAST = item("control-last-letter-10").poem
PARAPHRASE = item("control-paraphrased-01").poem
ORDER = item("control-shuffled-04").poem
FIRST_LINE = "Harvest belongs to whoever sows the widest field."


def with_first_line(line: str) -> str:
    return GOOD.poem.replace(FIRST_LINE, line)


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("\n".join(GOOD.poem.splitlines()[1:]), "11 lines"),
        (f"{GOOD.poem}\n\n{GOOD.poem}", "24 lines"),
        (GOOD.poem.replace("\n\n", "\n"), "1 stanzas"),
        (with_first_line("Harvest — for whoever sows."), "not a plain sentence: Harvest — for"),
        (with_first_line("Harvest is whoever’s."), "not a plain sentence: Harvest is whoever’s."),
        (with_first_line("Harvest is yours"), "not a plain sentence: Harvest is yours"),
        (with_first_line("Harvest is yours. Sow."), "not a plain sentence: Harvest is yours. Sow."),
        (with_first_line(" Harvest is yours."), "not a plain sentence:  Harvest is yours."),
        (with_first_line(f"Harvest is {'very ' * 15}good."), "too long: Harvest is very"),
    ],
)
def test_a_poem_of_the_wrong_form_is_caught(broken: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in rules.shape_faults(broken))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Harvset belongs to whoever sows.", "no such word: harvset"),
        ("Harvest the first letter of your field.", "a hint: letter"),
    ],
)
def test_a_misspelling_and_a_hint_are_caught(line: str, fault: str) -> None:
    assert list(rules.language_faults(with_first_line(line))) == [fault]


@pytest.mark.parametrize(
    ("poem", "phrase", "fault"),
    [
        (with_first_line("The harvest is yours."), "HALF IS PLENTY", "spells ['TALF', 'IS', "),
        (GOOD.poem, "HALF ISPLENTY", "spells ['HALF', 'IS', "),
        (GOOD.poem.replace("\n\n", "\n", 1), "HALF IS PLENTY", "spells ['HALFIS', "),
        (GOOD.poem, "half is plenty", "a phrase is in capitals"),
        (GOOD.poem, "HALF PLENTY", "a phrase of 2 words"),
    ],
)
def test_wrong_initials_and_phrases_are_caught(poem: str, phrase: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in rules.acrostic_faults(poem, phrase))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("He knows that Half is Plenty.", "says its phrase"),
        ("Hal, fi, splen, ty is a charm.", "says its phrase"),
        ("Harvest half of it.", "says half"),
    ],
)
def test_a_poem_that_says_its_phrase_is_caught(line: str, fault: str) -> None:
    assert fault in rules.saying_faults(with_first_line(line), "HALF IS PLENTY")


def test_a_phrase_said_over_a_line_end_is_caught() -> None:
    assert "says its phrase" in rules.saying_faults("Take half.\nIs plenty good?", "HALF IS PLENTY")


@pytest.mark.parametrize(
    ("decoy", "fault"),
    [
        ("FIELD", "FIELD begins otherwise"),
        ("HALF", "HALF is in the phrase"),
        ("HOPE", "HOPE is not in the first stanza"),
    ],
)
def test_a_decoy_that_is_none_is_caught(decoy: str, fault: str) -> None:
    assert fault in rules.decoy_faults(GOOD.poem, "HALF IS PLENTY", decoy)


def test_an_acrostic_among_the_controls_is_caught() -> None:
    found = set(rules.initials_faults(GOOD.poem))
    assert {"spells half", "spells plenty", "a stanza spells half"} <= found


def test_a_word_that_runs_over_a_stanza_break_is_caught() -> None:
    assert list(rules.initials_faults("Quick.\nFar.\nIn.\n\nRun.\nEat.\n\nXylem.")) == [
        "spells fire"
    ]


def test_a_three_letter_word_is_caught_only_as_a_stanza() -> None:
    assert list(rules.initials_faults("Quiet.\n\nCall.\nAsk.\nTry.\n\nZeal.")) == [
        "a stanza spells cat"
    ]
    assert list(rules.initials_faults("Quiet.\nCall.\nAsk.\nTry.\n\nZeal.")) == []


def test_last_letters_that_spell_something_else_are_caught() -> None:
    assert list(rules.ending_faults(LAST, "GO EASY ON THEM")) == []
    assert list(rules.ending_faults(LAST, "GO EASY ON HIM")) != []
    assert list(rules.ending_faults(LAST.replace("warm.", "cold."), "GO EASY ON THEM")) != []


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (GOOD.poem, "not shuffled"),
        (ORDER.replace(FIRST_LINE, "Harvest is yours."), "other lines than its pair"),
        (ORDER.replace("\n\n", "\n", 1), "other stanza lengths than its pair"),
    ],
)
def test_a_shuffled_control_that_is_not_its_pair_is_caught(broken: str, fault: str) -> None:
    assert list(rules.shuffle_faults(broken, GOOD.poem)) == [fault]


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (PARAPHRASE.replace("Determination is", "Resolution is"), "the same first letter: Resolut"),
        (PARAPHRASE.replace("\n\n", "\n", 1), "other stanza lengths than its pair"),
        (item("control-ordinary-01").poem, "keeps "),
    ],
)
def test_a_paraphrase_that_is_none_is_caught(broken: str, fault: str) -> None:
    original = item("heldout-01").poem
    assert any(found.startswith(fault) for found in rules.paraphrase_faults(broken, original))


def test_a_name_or_a_line_used_twice_is_caught() -> None:
    names = [each.name for each in suite("heldout")]
    assert rules.repeats([*names, "heldout-04"]) == ["heldout-04"]
    assert rules.repeats([*rules.lines(GOOD.poem), FIRST_LINE]) == [FIRST_LINE]
