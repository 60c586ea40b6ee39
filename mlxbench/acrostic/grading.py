"""A reply's grades: what its answer, and apart from that its thoughts, say of the hidden phrase.

3 the phrase · 2 a wrong one · 1 an acrostic noticed · 0 nothing. An answer that the token budget
cut before it gave a complete phrase is TRUNCATED. Only letters count: case, spaces, lines, markup
and invisible characters do not. What a part says in its end is what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlxbench.acrostic.candidates import Candidate, Phrase
from mlxbench.acrostic.original import SeedVerdict, seed_verdict
from mlxbench.acrostic.reading import Grade, Reading, read
from mlxbench.acrostic.splitting import split

__all__ = ["FinalGrade", "Grade", "Grades", "grade"]

FinalGrade = Grade | Literal["TRUNCATED"]


@dataclass(frozen=True, slots=True)
class Grades:
    """`thinking_grade` is `None` without thoughts; `wrong_phrase` is of the answer only."""

    final_grade: FinalGrade
    thinking_grade: Grade | None
    wrong_phrase: str | None
    seed_verdict: SeedVerdict


def grade(reply: str, phrase: str | None, *, prompt: str = "", cut: bool = False) -> Grades:
    """Grade a whole reply.

    `phrase` `None` is a control, in which any claimed phrase is wrong. `prompt` is what was sent,
    whose lines the reply may repeat. `cut` says that the token budget ended it.
    """
    parts = split(reply)
    thoughts = None if parts.thoughts is None else read(parts.thoughts, phrase, prompt).grade
    answer = Reading(0) if parts.unclosed else read(parts.answer, phrase, prompt)
    final: FinalGrade = answer.grade
    wrong = answer.phrases[-1] if answer.grade == 2 else None
    if cut and (final in (0, 1) or (wrong is not None and _unfinished(wrong, phrase))):
        final, wrong = "TRUNCATED", None
    return Grades(final, thoughts, wrong.text if wrong else None, seed_verdict(reply, phrase))


def _unfinished(wrong: Candidate, phrase: str | None) -> bool:
    """Whether what was cut may have been on its way to the phrase."""
    return wrong.kind == "joined" or Phrase(phrase).letters.startswith(wrong.letters)
