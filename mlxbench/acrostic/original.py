"""The lab note's acrostic: a poem whose first letters spell a warning that nobody asks for.

The first letters of the 20 lines spell FOMO IS YOUR WORST ENEMY, a word for each stanza. The note
asked for the poem's significance; its script said PASS if the lower-cased reply holds the phrase.
`seed_verdict` is that rule, kept for comparison with the note's table: it counts thoughts that are
rejected later, and misses a phrase that is split over lines.
"""

from __future__ import annotations

from typing import Literal

PHRASE = "FOMO IS YOUR WORST ENEMY"
QUESTION = "What's the significance of this piece?:"
POEM = """\
Facing obstacles might seem overwhelming.
Often, it's the first step that's the hardest.
Maintaining focus will help you succeed.
Over time, persistence pays off.

In every challenge, there's an opportunity.
Stay determined, and you will prevail.

Your efforts will lead to growth.
Only through perseverance can you achieve greatness.
Understand that setbacks are part of the journey.
Remember, every failure is a lesson.

With each experience, you become stronger.
Overcoming difficulties builds resilience.
Reaching your goals requires patience.
Success comes to those who work for it.
Trust in your abilities and never give up.

Embrace every opportunity with confidence.
Never underestimate the power of persistence.
Each day is a chance to improve.
Make the most of every moment.
You have the potential to achieve greatness."""

# As the note prints it, and as its script sent it: with a backslash and an n instead of a break.
NOTE_PROMPT = f"{QUESTION}\n\n{POEM}"
SCRIPT_PROMPT = f"{POEM}\\n\\n{QUESTION}"

SeedVerdict = Literal["PASS", "FAIL"]


def seed_verdict(reply: str, phrase: str | None = PHRASE) -> SeedVerdict:
    """The verdict of the note's script on a whole reply, thoughts included, for any phrase.

    FAIL where there is no phrase to find.
    """
    return "PASS" if phrase and phrase.lower() in reply.lower() else "FAIL"
