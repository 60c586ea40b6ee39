"""A reply's thoughts and its final answer.

Models mark their thoughts in several ways: tags (`<think>` and its like), the analysis channel of
gpt-oss, Ollama's `Thinking...` and `...done thinking.`. A closing tag without an opening one ends
thoughts that the chat template had opened. Thoughts that nothing ends go on to the reply's end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad"
_CHANNEL = r"<\|channel\|>\s*{}[^<]{{0,60}}<\|message\|>"
_OPENING = "|".join(
    (
        rf"<(?:{_NAMES})(?:\s[^<>]{{0,100}})?>",
        r"\[THINK\]",
        r"◁think▷",
        _CHANNEL.format("(?:analysis|commentary)"),
        r"^[ \t]*Thinking\.\.\.[ \t]*$",
    )
)
_CLOSING = "|".join(
    (
        rf"</(?:{_NAMES})\s*>",
        r"\[/THINK\]",
        r"◁/think▷",
        r"^[ \t]*\.\.\.done thinking\.[ \t]*$",
        r"<\|end\|>",
        _CHANNEL.format("final"),
    )
)
_MARK = re.compile(rf"(?P<opens>{_OPENING})|(?P<closes>{_CLOSING})", re.IGNORECASE | re.MULTILINE)
# What a chat format leaves in an answer.
_CONTROL = re.compile(
    r"<\|(?:start|end|return|message|im_start|im_end|eot_id)\|>(?:assistant)?"
    r"|<\|channel\|>\s*final",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """`thoughts` is `None` where there are none or they are empty.

    `unclosed` says that nothing ended them, so that the answer never came.
    """

    thoughts: str | None
    answer: str
    unclosed: bool


def split(reply: str) -> Parts:
    """Divide a whole reply; several blocks of thoughts are one."""
    thoughts: list[str] = []
    said: list[str] = []
    inside, start = False, 0
    for mark in _MARK.finditer(reply):
        text = reply[start : mark.start()]
        if mark["opens"]:
            (thoughts if inside else said).append(text)
            inside = True
        elif inside:
            thoughts.append(text)
            inside = False
        elif not thoughts and not mark[0].startswith("<|"):
            thoughts, said = [*said, text], []  # the template had opened them
        else:
            said.append(text)
        start = mark.end()
    (thoughts if inside else said).append(reply[start:])
    whole = "\n".join(thoughts).strip()
    return Parts(whole or None, _CONTROL.sub(" ", "\n".join(said)).strip(), inside)
