"""The suites of the probe hold what they should, and every poem keeps the rules."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from mlxbench.acrostic import NOTE_PROMPT, PHRASE, POEM, QUESTION, SCRIPT_PROMPT
from mlxbench.acrostic.items import SUITES, Item, initials, item, suite
from mlxbench.errors import InputError
from tests.acrostic import poem_rules as rules


@cache
def data(name: str) -> dict[str, dict[str, Any]]:
    """The entries of a data file by their names there."""
    path = files("mlxbench").joinpath("acrostic", "data", f"{name}.toml")
    return {entry["name"]: entry for entry in tomllib.loads(path.read_text("utf-8"))["item"]}


def everything() -> list[Item]:
    return [each for name in SUITES for each in suite(name)]


def controls(kind: str) -> list[Item]:
    return [each for each in suite("controls") if each.kind == kind]


def acrostics() -> list[tuple[str, str, str, str]]:
    """Name, poem, phrase and decoy of every acrostic written for this project."""
    return [
        (name, entry["poem"].strip("\n"), entry["phrase"], entry["decoy"])
        for file in ("heldout", "ladder")
        for name, entry in data(file).items()
    ]


def written() -> dict[str, str]:
    """Every poem of our own by its name, each once; a shuffled control has no lines of its own."""
    fresh = {name: poem for name, poem, _, _ in acrostics()}
    return fresh | {each.name: each.poem for each in suite("controls") if each.kind != "shuffled"}


def faults(found: dict[str, Iterator[str]]) -> list[str]:
    return [f"{name}: {fault}" for name, several in found.items() for fault in several]


# What the suites hold.


def test_there_are_enough_items_of_each_kind() -> None:
    assert len(suite("heldout")) >= 32
    assert len(suite("ladder")) == 12
    kinds = Counter(each.kind for each in suite("controls"))
    assert kinds["shuffled"] == len(suite("heldout"))
    assert kinds["paraphrased"] >= 10
    assert kinds["ordinary"] >= 10
    assert kinds["last-letter"] >= 8
    assert kinds.total() == len(suite("controls"))


def test_names_are_unique_and_lead_back_to_their_items() -> None:
    assert rules.repeats(each.name for each in everything()) == []
    assert all(item(each.name) is each for each in everything())
    assert item("fomo") is item("fomo-note")


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(InputError, match="'heldout-1'; did you mean heldout-"):
        item("heldout-1")
    with pytest.raises(InputError, match="names begin as in fomo-note, ladder-fomo-1"):
        item("?")


def test_the_lab_notes_prompts_are_sent_as_they_were() -> None:
    assert [each.prompt for each in suite("fomo")] == [NOTE_PROMPT, SCRIPT_PROMPT]
    assert {(each.poem, each.phrase) for each in suite("fomo")} == {(POEM, PHRASE)}


def test_heldout_items_and_controls_use_the_notes_form() -> None:
    for each in (*suite("heldout"), *suite("controls")):
        assert each.prompt == f"{QUESTION}\n\n{each.poem}"


def test_the_ladder_asks_three_questions_about_each_of_four_poems() -> None:
    rungs = {
        phrase: [each for each in suite("ladder") if each.phrase == phrase]
        for phrase in dict.fromkeys(each.phrase for each in suite("ladder"))
    }
    assert next(iter(rungs)) == PHRASE
    assert len(rungs) == 4
    for items in rungs.values():
        assert [each.kind for each in items] == ["notice", "segment", "decode"]
        assert len({each.poem for each in items}) == 1
    questions = {each.kind: set[str]() for each in suite("ladder")}
    for each in suite("ladder"):
        question, poem = each.prompt.split("\n\n", 1)
        assert poem == each.poem
        questions[each.kind].add(question)
    assert all(len(asked) == 1 for asked in questions.values())


def test_the_ladders_questions_never_say_a_phrase() -> None:
    for each in suite("ladder"):
        assert each.phrase is not None
        question = each.prompt.removesuffix(each.poem)
        assert list(rules.saying_faults(question, each.phrase)) == []


def test_pairs_are_heldout_items_and_phrases_belong_to_acrostics() -> None:
    known = {each.name for each in suite("heldout")}
    for each in everything():
        assert (each.phrase is None) == (each.suite == "controls")
        assert (each.pair is not None) == (each.kind in ("shuffled", "paraphrased"))
        assert each.pair is None or each.pair in known
    for kind in ("shuffled", "paraphrased"):
        assert rules.repeats(str(each.pair) for each in controls(kind)) == []


# What the poems keep.


def test_initials_ignore_stanza_breaks_case_and_what_is_no_letter() -> None:
    assert initials("one\n\n  'two\n* Three\n   \n…\n") == "OTT"
    assert initials(POEM) == PHRASE.replace(" ", "")
    assert initials("") == ""


def test_every_poem_has_its_length_and_plain_sentences() -> None:
    found = {name: rules.shape_faults(poem) for name, poem in written().items()}
    found |= {each.name: rules.shape_faults(each.poem) for each in controls("shuffled")}
    assert faults(found) == []


def test_every_word_is_english_and_none_is_a_hint() -> None:
    assert faults({name: rules.language_faults(poem) for name, poem in written().items()}) == []


def test_every_acrostic_spells_its_phrase_a_word_for_each_stanza() -> None:
    found = {name: rules.acrostic_faults(poem, phrase) for name, poem, phrase, _ in acrostics()}
    assert faults(found) == []


def test_no_acrostic_says_its_phrase() -> None:
    found = {name: rules.saying_faults(poem, phrase) for name, poem, phrase, _ in acrostics()}
    assert faults(found) == []


def test_every_decoy_begins_like_its_phrase_and_stands_early() -> None:
    found = {name: rules.decoy_faults(*rest) for name, *rest in acrostics()}
    assert faults(found) == []


def test_no_controls_first_letters_spell_anything() -> None:
    assert faults({each.name: rules.initials_faults(each.poem) for each in suite("controls")}) == []


def test_shuffled_and_ordinary_poems_hide_nothing_in_their_last_letters() -> None:
    hidden = {
        each.name: rules.spelled_words(rules.last_letters(each.poem))
        for kind in ("shuffled", "ordinary")
        for each in controls(kind)
    }
    assert faults(hidden) == []


def test_last_letter_controls_spell_their_phrase_and_never_say_it() -> None:
    entries = data("controls")
    phrases = {each: entries[each.name]["last_letters"] for each in controls("last-letter")}
    for rule in (rules.ending_faults, rules.saying_faults):
        assert faults({each.name: rule(each.poem, phrases[each]) for each in phrases}) == []


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("shuffled", rules.shuffle_faults), ("paraphrased", rules.paraphrase_faults)],
)
def test_paired_controls_keep_to_their_pairs(
    kind: str, rule: Callable[[str, str], Iterator[str]]
) -> None:
    assert faults({each.name: rule(each.poem, paired(each)) for each in controls(kind)}) == []


def test_no_two_poems_share_a_line_or_an_opening() -> None:
    poems = [*written().values(), POEM]
    assert rules.repeats(line for poem in poems for line in rules.lines(poem)) == []
    assert rules.repeats(" ".join(poem.split()[:2]).lower() for poem in poems) == []


def test_no_two_acrostics_share_a_phrase_or_a_decoy() -> None:
    hidden = acrostics()
    assert rules.repeats([phrase for _, _, phrase, _ in hidden]) == []
    assert rules.repeats([decoy for _, _, _, decoy in hidden]) == []


def paired(control: Item) -> str:
    assert control.pair is not None
    return item(control.pair).poem
