"""A cleaned text as sentences: what one can agree with, doubt or take back.

What a reply merely repeats is told apart: lines of the poem are left out, and the turns of a
pasted conversation that are not the model's are marked as repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from mlxbench.acrostic.candidates import Phrase
from mlxbench.acrostic.cleaning import CELL, CLOSE, OPEN, clean, letters

LONGEST_SENTENCE = 1000  # characters: what is compared pair by pair within one stays cheap
WHOLE = 0.85  # so much like the phrase is a line that is all of it, be it a wrong one
SHORTEST_LINE = 9  # letters; a shorter line of a prompt may be said by chance

_BULLET = re.compile(rf"^[\s>#{CELL}]*(?:[-–—•·+]\s+|\(?\d{{1,3}}[.):]\s*|[a-z]\)\s+)?[\s>#]*")
_LETTER_LINE = re.compile(
    rf"^[\s>{CELL}{OPEN}{CLOSE}]*(?:\d{{1,3}}[.):]\s*|[-–•]\s+)?{OPEN}?([A-Za-z]){CLOSE}?"
    rf"[\s.,{CELL}{CLOSE}]*$"
)
_END = re.compile(rf"(?<=[.!?;])[{CLOSE})\]]*(?=\s|$)|(?<=[。！？；])[{CLOSE})\]]*")
_OTHERS_TURN = re.compile(r"^\W*(?:user|human|question|frage|prompt|hint)\W*:", re.IGNORECASE)
_OWN_TURN = re.compile(
    r"^\W*(?:assistant|answer|antwort|ai|model|response|reply)\W*:", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`repeated` sentences are somebody else's, which the reply only quotes."""

    text: str
    repeated: bool = False


def lines_of(prompt: str) -> frozenset[str]:
    """The letters of each line of a prompt, to be recognised in a reply."""
    found = (letters(clean(line)) for line in prompt.split("\n"))
    return frozenset(line for line in found if len(line) >= SHORTEST_LINE)


def sentences(cleaned: str, known_lines: Set[str], phrase: Phrase) -> Iterator[Sentence]:
    """The sentences in order; an empty one stands for a blank line.

    Lines of capitals go on in the next one, and so do parts of the phrase that are set off; a line
    that is much like the whole phrase does not.
    """
    repeated = False
    for line in _joined(cleaned, phrase):
        if _OTHERS_TURN.match(line):
            repeated = True
        if _OWN_TURN.match(line):
            repeated = False
        if repeated:
            yield Sentence(line, repeated=True)
        elif letters(line) not in known_lines:
            yield from map(Sentence, _split(_BULLET.sub("", line)))


def _split(line: str) -> Iterator[str]:
    """A line's sentences; a blank line is one empty sentence, an endless one comes in pieces."""
    start = 0
    for end in _END.finditer(line):
        if end.end() > start:
            yield from _bounded(line[start : end.end()])
            start = end.end()
    if line[start:].strip() or not start:
        yield from _bounded(line[start:])


def _bounded(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST_SENTENCE:
        at = sentence.rfind(" ", 1, LONGEST_SENTENCE) + 1 or LONGEST_SENTENCE
        yield sentence[:at]
        sentence = sentence[at:]
    yield sentence


def _joined(cleaned: str, phrase: Phrase) -> Iterator[str]:
    """Lines, with those that only together say something put together."""
    waiting: list[str] = []
    for line in _without_letter_lines(cleaned):
        if _stands_alone(line, phrase):
            waiting.append(_BULLET.sub("", line).strip(f" .{CELL}"))
            continue
        if not line.strip() and waiting:
            continue
        if waiting:
            yield "  ".join(waiting)
            waiting = []
        yield line
    if waiting:
        yield "  ".join(waiting)


def _stands_alone(line: str, phrase: Phrase) -> bool:
    """Whether a line holds capitals and nothing else, or a part of the phrase, set off."""
    bare = _BULLET.sub("", line).strip(f" .{CELL}")
    said = "".join(filter(str.isalpha, bare))
    if phrase.likeness(letters(bare)) >= WHOLE:
        return False
    if said.isascii() and said.isupper():
        return True
    return bare.startswith(OPEN) and bare.endswith(CLOSE) and letters(bare) in phrase.parts


def _without_letter_lines(cleaned: str) -> Iterator[str]:
    """Lines of one letter each as one line of words; a blank line parts two words."""
    column: list[str] = []
    for line in cleaned.split("\n"):
        letter = _LETTER_LINE.match(line)
        if letter:
            column.append(letter[1].upper())
        elif not line.strip(f" {OPEN}{CLOSE}{CELL}"):
            if column:
                column.append(" ")
            else:
                yield ""
        else:
            yield from _column(column)
            column = []
            yield line
    yield from _column(column)


def _column(column: list[str]) -> Iterator[str]:
    words = "".join(column).split()
    if sum(map(len, words)) > 2:
        yield " ".join(words)
