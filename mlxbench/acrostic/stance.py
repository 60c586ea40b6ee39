"""How a sentence stands to a candidate, and to the claims before it: small questions of words."""

from __future__ import annotations

import re

from mlxbench.acrostic import cues, doubts
from mlxbench.acrostic.candidates import WORD, Candidate
from mlxbench.acrostic.cleaning import CELL, CLOSE, OPEN, letters

LOOK_BACK = 200  # characters before a candidate that may say what it is
FEW_WORDS = 3  # between a verb such as "spell" and what is spelled

_STANZA = re.compile(
    r"stanza|strophe|verse|quatrain|couplet|estrofa|strofa|第[一二三四五\d]+[节節段]|→|->|=>"
    r"|\b(?:first|second|third|next|last) word\b|\bthen\b",
    re.IGNORECASE,
)
_LINE_BEGINS = re.compile(
    r"(?:start|begin|open|commenc|anf[aä]ng|beginn)\w*\s+(?:\w+\s+)?(?:with|on|mit|by|either)?\s*"
    r"(?:either\s+)?(?:with\s+)?$|\blines?\W{0,3}$|\bfrom\s*$",
    re.IGNORECASE,
)
_NOT_BEFORE = re.compile(
    r"(?:\bnot(?! only| just| merely| simply)|n['’]t|\bnever|\bneither|\bnor|\bno(?! doubt| longer)"
    r"|\brather than|\binstead of|\bnicht|\bkein\w*|\bpas|\bnon|\bniet|不是|并非)"
    r"\s*(?:\w+\s+){0,4}\W{0,20}$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"^\W*(?:\w+\s+){0,3}?(?:isn['’]t|is not|are not|aren['’]t|wasn['’]t|doesn['’]t|does not"
    r"|don['’]t|is wrong|was wrong|cannot be|can['’]t be|neither)\b"
    r"(?! only| just| an? (?:accident|coincidence))",
    re.IGNORECASE,
)
_NO_DOUBT = re.compile(r"\bno doubt\b", re.IGNORECASE)
_CLAUSE_ENDS = re.compile(
    r"[;:—–,]|\bbut\b|\bsondern\b|\bmais\b|\bsino\b|\bma\b|\bhowever\b", re.IGNORECASE
)
_BEYOND = re.compile(
    r"\b(?:other|another|else|beyond|besides|apart from|further|last letters?|second|additional"
    r"|more)\b",
    re.IGNORECASE,
)
_NO_ACROSTIC = re.compile(r"\b(?:no|not an|isn['’]t an|never an) acrostic", re.IGNORECASE)
_DECIDES = re.compile(
    r"\b(?:correction|actually|wait|sorry|rather|final|instead|oops|apolog\w+|mistake|answer|hence"
    r"|so|thus|therefore|conclu\w+|confirmed|it(?:'s| is))\b",
    re.IGNORECASE,
)
_FORMER = re.compile(r"\bthe (?:former|first(?: one| reading)?[.,;])|\berstere", re.IGNORECASE)
_LATTER = re.compile(r"\bthe (?:latter|second(?: one| reading)?[.,;])|\bletztere", re.IGNORECASE)
_LISTS = re.compile(r"\b(?:and|und|et|y|en|e)\b|,", re.IGNORECASE)
_OF_LETTERS = re.compile(
    r"spell|acrostic|initial|letters|message|hidden|\blines?\b|buchstab|lettres|letras|iniz|字母|頭文字",
    re.IGNORECASE,
)


def before(text: str, one: Candidate) -> str:
    """The words that lead up to a candidate."""
    return text[max(0, one.start - LOOK_BACK) : one.start]


def negated(text: str, one: Candidate) -> bool:
    """Whether the clause says that the candidate is not it."""
    leading = _CLAUSE_ENDS.split(before(text, one).rstrip(OPEN + " "))[-1]
    if _NOT_BEFORE.search(leading + " ") and not _NO_DOUBT.search(leading):
        return True
    following = re.split("[,;:—–]", text[one.end :].lstrip(CLOSE + " ")[:LOOK_BACK])[0]
    return _NOT_AFTER.match(following) is not None


def expected_only(text: str, one: Candidate) -> bool:
    """Whether the candidate is named as what one might have thought."""
    return doubts.COUNTERFACTUAL.search(before(text, one)) is not None


def one_of_several(text: str, one: Candidate) -> bool:
    """Whether a candidate is given as one stanza's word, or stands in a cell or alone."""
    return bool(_STANZA.search(text)) or CELL in text or letters(text) == one.letters


def spelled_out(text: str, one: Candidate) -> bool:
    """Whether a verb of spelling leads right up to a candidate, whatever it is."""
    leading = before(text, one)
    if _LINE_BEGINS.search(leading.rstrip(OPEN + " ")):
        return False  # the word with which a line begins
    verbs = list(cues.CLAIM.finditer(leading))
    close = bool(verbs) and len(WORD.findall(leading[verbs[-1].end() :])) <= FEW_WORDS
    return close and _OF_LETTERS.search(leading) is not None


def notices(text: str) -> bool:
    """Whether a sentence says of this poem that it hides something."""
    unless = (cues.ELSEWHERE, doubts.CONSIDERING, cues.HINT)
    return bool(cues.HIDDEN.search(text)) and not any(one.search(text) for one in unless)


def nothing_more(text: str) -> bool:
    """Whether a denial is only of something beyond what was found."""
    return bool(_BEYOND.search(text)) and not _NO_ACROSTIC.search(text)


def decides(text: str) -> bool:
    """Whether a sentence settles or corrects what came before."""
    return _DECIDES.search(text) is not None


def lists_several(text: str) -> bool:
    """Whether the phrases of a sentence stand beside each other."""
    return bool(doubts.UNDECIDED.search(text) or _LISTS.search(text))


def former_or_latter(text: str) -> int | None:
    """0 or -1 for a sentence that decides for the first or the last of several."""
    former, latter = _FORMER.search(text), _LATTER.search(text)
    if bool(former) == bool(latter):
        return None
    return 0 if former else -1
