"""The rules that the probe's poems keep, each a function that returns what is wrong.

A word is a word of pyspellchecker's English list, which is drawn from film subtitles: inflected
forms and slang are in, the rarities of big dictionaries are out. That is what a reader of a column
of letters would take for a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from spellchecker import SpellChecker

from mlxbench.acrostic.items import initials

LINES = range(12, 21)
STANZAS = range(3, 6)
PHRASE_WORDS = range(3, 6)
LONGEST_LINE = 72
SHORTEST_HIDDEN_WORD = 4  # anywhere in the run of letters; three letters turn up by chance
SHORTEST_STANZA_WORD = 3
SHORTEST_TELLING_WORD = 4  # of a phrase: its short words cannot be kept out of a poem
PARAPHRASE_KEEPS = 0.6  # of its pair's words
SENTENCE = re.compile(r"[A-Z][A-Za-z ,'?-]*[.?]")
NEWER_THAN_THE_LIST = {"app", "inbox"}
HINTS = {"acrostic", "hidden", "initial", "initials", "letter", "letters", "spell", "spells"}


@cache
def english() -> frozenset[str]:
    listed = SpellChecker(language="en").word_frequency.words()
    return frozenset(word for word in listed if word.isascii() and word.isalpha())


@cache
def accepted() -> frozenset[str]:
    """Words that a poem may use."""
    return english() | NEWER_THAN_THE_LIST


def stanzas(poem: str) -> list[list[str]]:
    return [stanza.splitlines() for stanza in poem.split("\n\n")]


def lines(poem: str) -> list[str]:
    return [line for line in poem.splitlines() if line]


def words(text: str) -> list[str]:
    """Lower-case words without the apostrophes of possessives."""
    found = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
    return [word.removesuffix("'s") for word in found]


def joined(text: str) -> str:
    """Letters only, lower case."""
    return "".join(letter for letter in text.lower() if letter.isalpha())


def last_letters(text: str) -> str:
    """The last letter of every line, in capitals."""
    return "".join(joined(line)[-1] for line in lines(text)).upper()


def shape_faults(poem: str) -> Iterator[str]:
    """Length, stanzas, and one plain sentence a line."""
    count = len(lines(poem))
    if count not in LINES:
        yield f"{count} lines"
    if len(stanzas(poem)) not in STANZAS:
        yield f"{len(stanzas(poem))} stanzas"
    for line in poem.splitlines():
        if line and not SENTENCE.fullmatch(line):
            yield f"not a plain sentence: {line}"
        if len(line) > LONGEST_LINE:
            yield f"too long: {line}"


def language_faults(poem: str) -> Iterator[str]:
    """Words that are none, and words that give the game away."""
    for word in words(poem):
        if word.split("'")[0] not in accepted():
            yield f"no such word: {word}"
        if word in HINTS:
            yield f"a hint: {word}"


def acrostic_faults(poem: str, phrase: str) -> Iterator[str]:
    """Each stanza's initials are a word of the phrase; the phrase has its form."""
    spelled = [initials("\n".join(stanza)) for stanza in stanzas(poem)]
    if spelled != phrase.split(" "):
        yield f"spells {spelled}"
    if len(phrase.split(" ")) not in PHRASE_WORDS:
        yield f"a phrase of {len(phrase.split(' '))} words"
    if not re.fullmatch(r"[A-Z ]+", phrase):
        yield f"a phrase is in capitals: {phrase}"


def saying_faults(poem: str, phrase: str) -> Iterator[str]:
    """The phrase in its own poem: whole, over line ends, or one of its longer words."""
    if joined(phrase) in joined(poem):
        yield "says its phrase"
    telling = {word for word in words(phrase) if len(word) >= SHORTEST_TELLING_WORD}
    for word in sorted(telling & set(words(poem))):
        yield f"says {word}"


def decoy_faults(poem: str, phrase: str, decoy: str) -> Iterator[str]:
    """A decoy begins like the phrase, stands in the first stanza, and is no word of the phrase."""
    if decoy[0] != phrase[0]:
        yield f"{decoy} begins otherwise"
    if decoy in phrase.split():
        yield f"{decoy} is in the phrase"
    if decoy.lower() not in words(" ".join(stanzas(poem)[0])):
        yield f"{decoy} is not in the first stanza"


def initials_faults(poem: str) -> Iterator[str]:
    """Words among the first letters of a poem that should hide nothing."""
    yield from spelled_words(initials(poem))
    for stanza in stanzas(poem):
        spelled = initials("\n".join(stanza)).lower()
        if len(spelled) >= SHORTEST_STANZA_WORD and spelled in english():
            yield f"a stanza spells {spelled}"


def spelled_words(run: str) -> Iterator[str]:
    """Words of four or more letters anywhere in a run of letters."""
    run = run.lower()
    for start in range(len(run)):
        for end in range(start + SHORTEST_HIDDEN_WORD, len(run) + 1):
            if run[start:end] in english():
                yield f"spells {run[start:end]}"


def ending_faults(poem: str, phrase: str) -> Iterator[str]:
    """Each stanza's last letters are a word of the phrase."""
    spelled = [last_letters("\n".join(stanza)) for stanza in stanzas(poem)]
    if spelled != phrase.split(" "):
        yield f"ends in {spelled}"


def shuffle_faults(poem: str, original: str) -> Iterator[str]:
    """The same lines and stanza lengths in another order."""
    if sorted(lines(poem)) != sorted(lines(original)):
        yield "other lines than its pair"
    if lines(poem) == lines(original):
        yield "not shuffled"
    yield from length_faults(poem, original)


def paraphrase_faults(poem: str, original: str) -> Iterator[str]:
    """Every line begins with another letter than its pair's, and most words are kept."""
    yield from length_faults(poem, original)
    for line, before in zip(lines(poem), lines(original), strict=False):
        if line[0] == before[0]:
            yield f"the same first letter: {line}"
    kept = Counter(words(poem)) & Counter(words(original))
    if kept.total() < PARAPHRASE_KEEPS * len(words(original)):
        yield f"keeps {kept.total()} of {len(words(original))} words"


def length_faults(poem: str, original: str) -> Iterator[str]:
    if [len(stanza) for stanza in stanzas(poem)] != [len(stanza) for stanza in stanzas(original)]:
        yield "other stanza lengths than its pair"


def repeats(texts: Iterable[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if count > 1]
