"""What a text says, in the end, that the initials of the poem's lines say.

The text is read sentence by sentence, and what has been claimed so far is kept: nothing, that there
is an acrostic, or a phrase (several where a reply does not decide). What comes later overrides:
a correction, a denial, giving up. A sentence may

- **claim** a candidate: it stands where one talks of initials, and is not negated, expected, or
  somebody else's hint;
- **repeat a hint**, which a later yes or no settles;
- **deny** that there is an acrostic, or **give up** on reading it;
- give a **piece**, one stanza's word, of which several in order may complete the phrase;
- **notice**: say that this poem hides something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlxbench.acrostic import cues, doubts, stance
from mlxbench.acrostic.candidates import LIKE, Candidate, Phrase, find
from mlxbench.acrostic.cleaning import CLOSE, clean, letters
from mlxbench.acrostic.sentences import Sentence, lines_of, sentences

Grade = Literal[0, 1, 2, 3]

NEAR = 3  # sentences after one that talks of initials, a phrase may still be what they say
HINT_LASTS = 2  # sentences after a heading such as "Your claim"
HEADING_WORDS = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """A part's grade, and the phrases that it leaves standing (wrong ones for grade 2)."""

    grade: Grade
    phrases: tuple[Candidate, ...] = ()


def read(text: str, phrase: str | None, prompt: str) -> Reading:
    """Read one part of a reply to `prompt`, whose lines it may repeat."""
    wanted, cleaned = Phrase(phrase), clean(text)
    if wanted.letters and letters(cleaned) == wanted.letters:
        return Reading(3)  # the bare phrase, to a question that asked for it
    reader = _Reader(wanted)
    for sentence in sentences(cleaned, lines_of(prompt), wanted):
        reader.take(sentence)
    return reader.result()


class _Reader:
    """What was said so far; `place` counts sentences."""

    def __init__(self, phrase: Phrase) -> None:
        self.phrase = phrase
        self.noticed = False
        self.claims: list[Candidate] = []
        self.pieces: list[str] = []
        self.place = 0
        self.cue_place: int | None = None
        self.hint: Candidate | None = None
        self.hinting_left = 0
        self.all_claimed: dict[str, Candidate] = {}

    def take(self, sentence: Sentence) -> None:
        """Read one more sentence."""
        text = sentence.text
        if sentence.repeated:
            alike = [one for one in find(text, self.phrase, True) if self._alike(one)]
            self.hint = alike[-1] if alike else self.hint
        elif text.strip():
            self._said(text)
        self.place += 1

    def result(self) -> Reading:
        """The grade of everything read."""
        if not self.claims:
            whole = "".join(self.pieces)
            alike = LIKE <= self.phrase.likeness(whole) < 1 and len(self.pieces) > 1
            some_words = whole in self.phrase.parts and whole != self.phrase.letters
            if self._cued() and (alike or some_words):
                return Reading(2, (self._of(self.pieces),))
            return Reading(1 if self.noticed else 0)
        wrong = tuple(one for one in self.claims if not self._exact(one))
        return Reading(2, wrong) if wrong else Reading(3, tuple(self.claims))

    def _said(self, text: str) -> None:
        has_cue = cues.of_initials(text)
        found = find(text, self.phrase, has_cue)
        if has_cue:
            self.cue_place = self.place
        if self._hinted(text, found):
            return
        found = self._about_this_poem(text, found)
        claimed = [one for one in found if self._is_claim(text, one, has_cue)]
        rejected = [one for one in claimed if stance.negated(text, one)]
        asserted = [
            one for one in claimed if one not in rejected and not stance.expected_only(text, one)
        ]
        self._reject(rejected)
        prose = [one for one in found if self._exact(one) and one not in claimed]
        kept = [one for one in found if one not in rejected and one not in prose]
        if self._denied(text, asserted) or self._chosen_by_order(text, asserted):
            return
        if self._left_open(text, asserted):
            return
        if not asserted and self._cued() and doubts.UNABLE.search(text):
            self._forget(noticed=True)
        elif asserted:
            self._claim(text, asserted, kept)
        elif not self._settled_hint(text):
            self._collect(kept)
            self.noticed |= has_cue and not rejected and stance.notices(text)

    # ---- what somebody else said

    def _hinted(self, text: str, found: Sequence[Candidate]) -> bool:
        """Whether the sentence repeats a hint, which is kept for a later yes or no."""
        hinting_still, self.hinting_left = self.hinting_left > 0, max(0, self.hinting_left - 1)
        if not found:
            short = len(text.split()) <= HEADING_WORDS
            if short and cues.HINT.search(text) and not cues.CONFIRM.search(text):
                self.hinting_left = HINT_LASTS
            return False
        alike = [one for one in found if self._alike(one)]
        if not alike or not (hinting_still or cues.HINT.search(_blanked(text, found))):
            return False
        if cues.CONFIRM.search(text) and not cues.REFUTE.search(text):
            return False
        self._reject([one for one in alike if stance.negated(text, one)])
        self.hint = alike[-1]
        return True

    def _settled_hint(self, text: str) -> bool:
        """Whether the sentence says yes or no to the hint before it; a yes claims the hint."""
        if self.hint is None:
            return False
        yes, no = cues.CONFIRM.search(text), cues.REFUTE.search(text)
        if not (yes or no):
            return False
        if no and not (yes and yes.start() < no.start()):
            self._reject([self.hint])
            self.hint = None
            return False
        self._set([self.hint])
        return True

    # ---- claims

    def _about_this_poem(self, text: str, found: list[Candidate]) -> list[Candidate]:
        """Without what belongs to other poems, or is a proverb named beside a claim."""
        if cues.ELSEWHERE.search(text):
            found = [one for one in found if self._alike(one)]
        if cues.SAYING.search(text) and self.claims:
            found = [one for one in found if self._exact(one)]
        return found

    def _is_claim(self, text: str, one: Candidate, has_cue: bool) -> bool:
        """Whether a candidate is given as what the initials say, be it negated."""
        near = has_cue or self._near()
        if self._exact(one):
            shouted = all(word.isupper() for word in one.words)
            if shouted or has_cue or (one.kind == "set off" and self._cued()):
                return True
            # Small letters without a word of initials: a remark, once something is claimed.
            return near and (not self.claims or stance.decides(text))
        if not self._cued():
            return False
        several = len(one.words) > 1
        if self._alike(one) and (near or (several and one.kind != "plain")):
            return several or not self._is_piece(text, one)
        if self._is_piece(text, one):
            return False
        capital = one.kind == "capitals" or one.words[0].isupper()
        return has_cue and (capital or several) and stance.spelled_out(text, one)

    def _is_piece(self, text: str, one: Candidate) -> bool:
        """Whether it is one word of several: a stanza's, or a cell's."""
        if self._exact(one):
            return False
        return stance.one_of_several(text, one)

    def _claim(self, text: str, asserted: Sequence[Candidate], kept: Sequence[Candidate]) -> None:
        """Take what a sentence claims; pieces that complete the phrase claim all of it."""
        completed = self._collect(kept)
        if completed and all(one.letters in self.phrase.parts for one in asserted):
            return
        chosen = self._chosen(text, asserted)
        if self.claims and not self._overrides(text, chosen):
            return
        self._set(chosen)

    def _chosen(self, text: str, asserted: Sequence[Candidate]) -> list[Candidate]:
        """The different phrases of a sentence: without parts of others, and without glosses."""
        different = list({one.letters: one for one in reversed(asserted)}.values())[::-1]
        whole = [
            one
            for one in different
            if not any(one is not other and _part_of(one, other) for other in different)
        ] or different[-1:]
        alike = [one for one in whole if self._alike(one)] or whole
        return alike if stance.lists_several(text) else alike[-1:]

    def _overrides(self, text: str, chosen: Sequence[Candidate]) -> bool:
        """Whether a later claim replaces the earlier: not a question, a part of it, or a gloss."""
        if text.rstrip(f" {CLOSE}").endswith("?"):
            return False
        if len(chosen) > 1 or self._exact(chosen[0]) or stance.decides(text):
            return True
        if len(self.claims) > 1 and self._alike(chosen[0]):
            return True  # one of several is taken up again
        return self._alike(chosen[0]) and not _part_of(chosen[0], self.claims[-1])

    def _set(self, claims: list[Candidate]) -> None:
        self.claims, self.hint = claims, None
        self.cue_place = self.place if self.cue_place is None else self.cue_place
        self.all_claimed |= {one.letters: one for one in claims}

    # ---- taking back

    def _denied(self, text: str, asserted: Sequence[Candidate]) -> bool:
        """Whether the sentence says that there is no acrostic, and no phrase after that."""
        said = self.claims or self.pieces or self.noticed or self.hint or asserted
        if not said and self.cue_place != self.place:
            return False  # there is nothing that could be denied
        denial = doubts.DENIAL.search(text)
        if denial is None:
            return False
        if any(self._alike(one) for one in asserted) and denial.start() <= asserted[-1].end:
            return False
        if not (self.claims and stance.nothing_more(text)):
            self._forget(noticed=False)
        return True

    def _chosen_by_order(self, text: str, asserted: Sequence[Candidate]) -> bool:
        """Whether the sentence decides between two claims as the former or the latter."""
        which = stance.former_or_latter(text)
        if asserted or len(self.claims) < 2 or which is None:
            return False
        self.claims = [self.claims[which]]
        return True

    def _left_open(self, text: str, asserted: Sequence[Candidate]) -> bool:
        """Whether the sentence leaves it open which of several phrases it is."""
        if asserted or len(self.all_claimed) < 2 or not doubts.OPEN_END.search(text):
            return False
        self.claims = list(self.all_claimed.values())[-2:]
        return True

    def _reject(self, rejected: Sequence[Candidate]) -> None:
        if rejected:
            gone = {one.letters for one in rejected}
            self.claims = [one for one in self.claims if one.letters not in gone]
            self.pieces = []

    def _forget(self, *, noticed: bool) -> None:
        self.claims, self.pieces, self.hint, self.noticed = [], [], None, noticed

    # ---- pieces

    def _collect(self, found: Sequence[Candidate]) -> bool:
        """Add a sentence's words to the pieces; whether they completed the phrase, and claim it."""
        for one in found:
            own = all(word.isupper() or letters(word) in self.phrase.words for word in one.words)
            if one.kind == "set off" and not own:
                continue
            for word in map(letters, one.words):
                if not self.pieces or self.pieces[-1] != word:
                    self.pieces.append(word)
        completed = bool(found) and self._cued() and self._complete()
        if completed:
            self._set([self._of(self.phrase.words)])
        return completed

    def _complete(self) -> bool:
        """Whether the last pieces, whole ones, make up the phrase."""
        length = 0
        for piece in reversed(self.pieces):
            length += len(piece)
            if length >= len(self.phrase.letters):
                break
        whole = "".join(self.pieces[-len(self.phrase.letters) :])
        exact = length == len(self.phrase.letters) and length > 0
        return exact and whole.endswith(self.phrase.letters)

    # ---- small questions

    def _of(self, words: Sequence[str]) -> Candidate:
        return Candidate(0, 0, tuple(words), "joined")

    def _exact(self, one: Candidate) -> bool:
        return bool(self.phrase.letters) and one.letters == self.phrase.letters

    def _alike(self, one: Candidate) -> bool:
        return self.phrase.likeness(one.letters) >= LIKE

    def _cued(self) -> bool:
        return self.cue_place is not None

    def _near(self) -> bool:
        return self.cue_place is not None and self.place - self.cue_place <= NEAR


def _blanked(text: str, found: Sequence[Candidate]) -> str:
    """A sentence without its candidates, whose words say nothing of who says them."""
    for one in found:
        text = text[: one.start] + " " * (one.end - one.start) + text[one.end :]
    return text


def _part_of(part: Candidate, whole: Candidate) -> bool:
    """Whether one is some of the other's words, or some of its letters."""
    inner, outer = ([letters(word) for word in one.words] for one in (part, whole))
    starts = range(len(outer) - len(inner) + 1)
    return any(inner == outer[at : at + len(inner)] for at in starts) or (
        part.letters in whole.letters
    )
