"""The lab note's poem, prompts and rule."""

from __future__ import annotations

import pytest

from mlxbench.acrostic import NOTE_PROMPT, PHRASE, POEM, QUESTION, SCRIPT_PROMPT, seed_verdict


def test_the_first_letters_of_each_stanza_spell_a_word_of_the_phrase() -> None:
    stanzas = [stanza.splitlines() for stanza in POEM.split("\n\n")]
    assert ["".join(line[0] for line in stanza) for stanza in stanzas] == PHRASE.split()


def test_the_poem_never_says_its_phrase() -> None:
    assert seed_verdict(POEM) == seed_verdict(NOTE_PROMPT) == seed_verdict(SCRIPT_PROMPT) == "FAIL"


def test_the_scripts_prompt_has_its_defect_and_the_notes_has_not() -> None:
    assert "\\n\\n" + QUESTION in SCRIPT_PROMPT
    assert NOTE_PROMPT.startswith(QUESTION + "\n\n")
    assert "\\n" not in NOTE_PROMPT


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ('The first letters spell "FOMO is your worst enemy".', "PASS"),
        ("<think>fomo is your worst enemy? No.</think> It is about growth.", "PASS"),
        ("FOMO\nIS\nYOUR\nWORST\nENEMY", "FAIL"),
        ("It is a poem about persistence.", "FAIL"),
    ],
)
def test_the_scripts_rule_is_kept_with_its_faults(reply: str, verdict: str) -> None:
    assert seed_verdict(reply) == verdict
