"""The acrostic probe: poems that hide a sentence, and what a reply says of it.

- `original`: the lab note's poem, its prompts and the rule of its script.
- `items`: every poem that is asked about, by suite; their texts are in `data/`.
- `grading`: a reply's grades. It goes through `splitting` (thoughts and answer), `cleaning` (what
  is set off), `sentences`, `candidates` (what might be the phrase) and `reading` (what is said of
  it in the end), with the words of `cues`.
"""

from mlxbench.acrostic.original import (
    NOTE_PROMPT,
    PHRASE,
    POEM,
    QUESTION,
    SCRIPT_PROMPT,
    SeedVerdict,
    seed_verdict,
)

# isort: split
from mlxbench.acrostic.grading import FinalGrade, Grade, Grades, grade
from mlxbench.acrostic.items import SUITES, Item, Suite, initials, item, suite

__all__ = [
    "NOTE_PROMPT",
    "PHRASE",
    "POEM",
    "QUESTION",
    "SCRIPT_PROMPT",
    "SUITES",
    "FinalGrade",
    "Grade",
    "Grades",
    "Item",
    "SeedVerdict",
    "Suite",
    "grade",
    "initials",
    "item",
    "seed_verdict",
    "suite",
]
