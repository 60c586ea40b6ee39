"""What in a sentence might be the phrase: what is set off, written in capitals, or spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from typing import Literal

from mlxbench.acrostic import cues
from mlxbench.acrostic.cleaning import CELL, CLOSE, OPEN, letters

Kind = Literal["set off", "capitals", "plain", "joined"]

LONGEST_WORDS = 14
LIKE = 0.6  # so alike are two phrases of which one is meant to be the other
WIDEST_GAP = 14  # characters between two words in capitals that belong together

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SET_OFF = re.compile(f"{OPEN}([^{OPEN}{CLOSE}\n]{{1,300}}){CLOSE}")
_GLOSS = re.compile(r"[ ]?[(\[（][^()\[\]（）a-z]{0,120}[a-z][^()\[\]（）]{0,160}[)\]）]")
_BETWEEN_SET_OFF = re.compile(f"{CLOSE} {{1,200}}{OPEN}")
_JOINS_WORDS = re.compile(rf"[-–—,/·•+&→ \d{CELL}{OPEN}{CLOSE}]*")
_JOINS_LETTERS = re.compile(rf"(?:[-–—,./·•+&→ \d{CELL}{OPEN}{CLOSE}]|\band\b)*")
_GOES_ON = re.compile(r"(?:[’'][a-z]{1,2})?(?: +[A-Za-z][A-Za-z'’]*){0,8}")
_ROMAN = re.compile(r"I{1,3}|IV|VI{0,3}|IX|XI{0,3}")
_SHORT_CLAUSE = re.compile(r"[:：]\s*([A-Z][a-z]+(?: [a-z'’]+){1,9})[.!]?\s*$")
# Small words that end a phrase in capitals rather than go on with it.
_FOLLOWERS = frozenset(
    (
        *("and", "or", "but", "so", "if", "that", "which", "while", "where", "when", "since"),
        *("because", "a", "the", "as", "in", "for", "by", "from", "with", "on", "at"),
        *("to", "of", "und", "et", "y"),
    )
)


class Phrase:
    """The phrase that a reply should find; without one (a control) nothing is like it."""

    def __init__(self, phrase: str | None) -> None:
        self.words = [letters(word) for word in phrase.split()] if phrase else []
        self.letters = "".join(self.words)
        ends = range(len(self.words) + 1)
        self.parts = {"".join(self.words[i:j]) for j in ends for i in range(j)}

    def likeness(self, other: str) -> float:
        """How alike these letters are to the phrase's, from 0 to 1."""
        if not self.letters or not 0 < len(other) <= 4 * len(self.letters):
            return 0.0
        return SequenceMatcher(None, other, self.letters, autojunk=False).ratio()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words that might be the phrase, and where in the sentence they stand."""

    start: int
    end: int
    words: tuple[str, ...]
    kind: Kind

    @property
    def letters(self) -> str:
        return letters("".join(self.words))

    @property
    def text(self) -> str:
        """As records keep it: capitals, single spaces."""
        return " ".join(self.words).upper()


def find(sentence: str, phrase: Phrase, has_cue: bool) -> list[Candidate]:
    """Every candidate of a sentence, in order; plain small letters count only beside a cue."""
    bare = _without_glosses(sentence, phrase)
    found = list(_set_off(bare, phrase))
    for run in _capitals(bare):
        if any(one.start <= run.start and run.end <= one.end for one in found):
            continue
        found = [one for one in found if not (run.start <= one.start and one.end <= run.end)]
        found.append(_continued(bare, run, phrase))
    if phrase.letters and has_cue:
        found = _with_plain(bare, found, phrase)
    return sorted(found, key=lambda one: one.start)


def _without_glosses(sentence: str, phrase: Phrase) -> str:
    """Brackets blanked unless they hold the phrase, and neighbours that are set off joined."""

    def blank(found: re.Match[str]) -> str:
        return found[0] if phrase.likeness(letters(found[0])) >= LIKE else " " * len(found[0])

    return _BETWEEN_SET_OFF.sub(lambda gap: " " * len(gap[0]), _GLOSS.sub(blank, sentence))


def _set_off(sentence: str, phrase: Phrase) -> Iterator[Candidate]:
    for found in _SET_OFF.finditer(sentence):
        words = tuple(WORD.findall(found[1]))
        inside = letters(found[1])
        if not 1 <= len(words) <= LONGEST_WORDS or len(inside) < 2:
            continue
        if cues.CUE.search(found[1]) and inside != phrase.letters:
            continue  # a heading such as "Acrostic:"
        yield Candidate(found.start(), found.end(), words, "set off")


def _capitals(sentence: str) -> Iterator[Candidate]:
    """Runs of words in capitals and of single letters, however they are kept apart."""
    run: list[re.Match[str]] = []
    for word in WORD.finditer(sentence):
        if not word[0].isupper() or not word[0].isascii():
            yield from _run(sentence, run)
            run = []
        elif run and not _belong_together(sentence, run[-1], word):
            yield from _run(sentence, run)
            run = [word]
        else:
            run.append(word)
    yield from _run(sentence, run)


def _belong_together(sentence: str, first: re.Match[str], second: re.Match[str]) -> bool:
    gap = sentence[first.end() : second.start()]
    single = len(first[0]) == 1 and len(second[0]) == 1
    joins = _JOINS_LETTERS if single else _JOINS_WORDS
    return len(gap) <= WIDEST_GAP and joins.fullmatch(gap) is not None


def _run(sentence: str, run: Sequence[re.Match[str]]) -> Iterator[Candidate]:
    """A run as one candidate; lone letters are none, but for a lone A or I within words."""
    if not run or sum(len(word[0]) for word in run) < 2:
        return
    # `F, O, M, O = FOMO` says the word twice, once spelled.
    words = tuple(word for word, _ in groupby(_unnumbered(list(_words(sentence, run)))))
    if words:
        yield Candidate(run[0].start(), run[-1].end(), words, "capitals")


def _unnumbered(words: list[str]) -> list[str]:
    """Without the Roman numerals that number stanzas; a lone I is one only beside a II."""
    if "II" not in words:
        return words
    return [word for word in words if not _ROMAN.fullmatch(word)]


def _words(sentence: str, run: Sequence[re.Match[str]]) -> Iterator[str]:
    """Spelled letters put together; a gap unlike the first one in them parts two words."""
    word, usual = run[0][0], None
    for before, after in pairwise(run):
        gap = sentence[before.end() : after.start()].strip(OPEN + CLOSE)
        gap = usual if usual is not None and "and" in gap else gap  # `F, O, M and O`
        spelled = len(before[0]) == 1 and len(after[0]) == 1
        if spelled and (usual is None or gap == usual):
            usual = gap
            word += after[0]
            continue
        yield word
        word, usual = after[0], usual if spelled else None
    yield word


def _continued(sentence: str, run: Candidate, phrase: Phrase) -> Candidate:
    """Capitals that go on in small letters: `FOMO is your best enemy`."""
    if run.letters == phrase.letters:
        return run
    found = _GOES_ON.match(sentence, run.end)
    assert found is not None
    more = WORD.findall(found[0])
    for count in range(len(more), 0, -1):
        if letters("".join((*run.words, *more[:count]))) == phrase.letters:
            return Candidate(run.start, found.end(), (*run.words, *more[:count]), "capitals")
    if found[0][:1] in ("'", "’"):
        words = tuple(WORD.findall(sentence[run.start : found.end()]))
        return Candidate(run.start, found.end(), words, "capitals")
    if more and more[0].casefold() not in _FOLLOWERS:
        words = (*run.words, *more)
        likeness = phrase.likeness(letters("".join(words)))
        if likeness > max(LIKE, phrase.likeness(run.letters)):
            return Candidate(run.start, found.end(), words, "capitals")
    return run


def _with_plain(sentence: str, found: list[Candidate], phrase: Phrase) -> list[Candidate]:
    """The phrase in plain small letters, or a short clause like it after a colon."""
    words = list(WORD.finditer(sentence))
    for first in range(len(words)):
        joined, after = "", first
        while after < len(words) and len(joined) < len(phrase.letters):
            joined += letters(words[after][0])
            after += 1
        if joined != phrase.letters:
            continue
        start, end = words[first].start(), words[after - 1].end()
        known = [one for one in found if one.start <= start and end <= one.end + 1]
        if known or any(start <= one.start and one.letters == phrase.letters for one in found):
            continue
        kept = [one for one in found if not (start <= one.start and one.end <= end)]
        said = tuple(word[0] for word in words[first:after])
        return [*kept, Candidate(start, end, said, "plain")]
    found = [*found, *_near_miss(words, found, phrase)]
    clause = _SHORT_CLAUSE.search(sentence[-200:])
    if found or clause is None or not cues.CUE.search(sentence[: -len(clause[0])]):
        return found
    if phrase.likeness(letters(clause[1])) < LIKE:
        return found
    start = len(sentence) - len(clause[0])
    return [Candidate(start, len(sentence), tuple(WORD.findall(clause[1])), "plain")]


def _near_miss(
    words: Sequence[re.Match[str]], found: Sequence[Candidate], phrase: Phrase
) -> Iterator[Candidate]:
    """As many plain words as the phrase has, with one letter of one of them changed."""
    count = len(phrase.words)
    said = [letters(word[0]) for word in words]
    for first in range(len(words) - count + 1):
        pairs = zip(said[first : first + count], phrase.words, strict=True)
        wrong = [(one, meant) for one, meant in pairs if one != meant]
        if len(wrong) != 1 or count < 2 or not _one_letter_off(*wrong[0]):
            continue
        start, end = words[first].start(), words[first + count - 1].end()
        if not any(one.start <= end and start <= one.end for one in found):
            yield Candidate(start, end, tuple(word[0] for word in words[first:][:count]), "plain")


def _one_letter_off(word: str, meant: str) -> bool:
    return len(word) == len(meant) and sum(map(str.__ne__, word, meant)) == 1
