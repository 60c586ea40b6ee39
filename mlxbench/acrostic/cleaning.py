"""A reply without what makes it look nice, and with what it sets off marked.

Markdown, HTML, LaTeX, quotation marks and terminal codes all say the same to a reader: this is set
off. Whatever is comes out between `OPEN` and `CLOSE`; lines and table cells stay apart. Letters in
compatibility forms (full width, mathematical bold) become plain ones, invisible ones go.
"""

from __future__ import annotations

import html
import re
import unicodedata

OPEN, CLOSE = "\ue000", "\ue001"  # of the private use area, which is taken out of replies
CELL = "¦"

_TERMINAL = re.compile(
    r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[@-Z\\-_]"
    r"|\[(?:\d{1,3};){0,3}\d{1,3}m"  # what is left where the escape itself was lost
)
_BREAKS = re.compile(
    r"<(?:br|/p|/div|/li|/tr|/h\d|p|div|li|tr|h\d|hr)\b[^<>]{0,200}>", re.IGNORECASE
)
_CELLS = re.compile(r"</?(?:td|th)\b[^<>]{0,200}>", re.IGNORECASE)
_SET_OFF_TAGS = re.compile(
    r"<(?:b|strong|em|i|u|mark|code|q)(?:\s[^<>]{0,200})?>"
    r"|(?P<closes></(?:b|strong|em|i|u|mark|code|q)\s*>)",
    re.IGNORECASE,
)
_TAGS = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_LATEX_SET_OFF = re.compile(
    r"\\(?:text(?:bf|it|tt|sf|rm|sc|normal)?|math(?:bf|rm|it|sf|tt)|[fb]?boxed?|emph|underline)\s*\{"
)
_LATEX_REST = re.compile(r"\\[A-Za-z]{1,20}\s*\{|\\[,;:!\\ ]|\\[A-Za-z]{1,20}")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\s]{0,500}\)")
_STRUCK_OUT = re.compile(r"~~[^~\n]{1,200}~~")
_EMPHASIS = re.compile(
    r"(\*{1,3}|`{1,2})(?=\S)([^*`\n]{1,300}?)(?<=\S)\1"
    r"|(?<!\w)(_{1,3})(?=\S)([^_\n]{1,300}?)(?<=\S)\3(?!\w)"
)
_NESTED_AT_MOST = 3
_QUOTED = 150  # characters; a phrase is shorter
_QUOTES = re.compile(
    "|".join(
        rf"{left}([^{left}{right}\n]{{1,{_QUOTED}}})[{right}]"
        for left, right in (
            *(("“", "”“"), ("„", "“”"), ("«", "»"), ("‹", "›"), ("「", "」")),
            *(("『", "』"), ("《", "》"), ('"', '"')),
        )
    )
    + rf"|‘([^‘\n]{{1,{_QUOTED}}}?)’(?!\w)"
    + rf"|(?<![\w'])'((?:[^'\n]|(?<=\w)'(?=\w)){{1,{_QUOTED}}})'(?!\w)"
)
_WITHIN_WORD = re.compile(rf"{OPEN}(\w){CLOSE}(?=\w)|(?<=\w){OPEN}(\w){CLOSE}")
_INVISIBLE = {"Cf", "Cc", "Co", "Cs", "Mn", "Me"}
_LINE_BREAKS = "\r\v\f\x85\u2028\u2029"


def clean(text: str) -> str:
    """`text` with everything that sets off turned into `OPEN` and `CLOSE`."""
    text = _without_html(_TERMINAL.sub("", text.replace(OPEN, "").replace(CLOSE, "")))
    text = _plain_forms(_without_latex(text))
    text = _STRUCK_OUT.sub(" ", _LINK.sub(r"\1", _FENCE.sub("", text)))
    for _ in range(_NESTED_AT_MOST):
        text = _EMPHASIS.sub(lambda found: _marked(found[2] or found[4]), text)
    text = _QUOTES.sub(lambda found: _marked(found[found.lastindex or 0].strip()), text)
    text = text.replace("|", CELL).replace("*", "").replace("`", "")
    # A letter that is set off within its word is no more than a letter of that word.
    return _WITHIN_WORD.sub(lambda found: found[1] or found[2], text)


def letters(text: str) -> str:
    """The letters of a text and nothing else, in small ones: what makes two phrases the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalpha())


def _marked(text: str) -> str:
    return f"{OPEN}{text}{CLOSE}"


def _without_html(text: str) -> str:
    text = _SET_OFF_TAGS.sub(lambda tag: CLOSE if tag["closes"] else OPEN, text)
    text = _CELLS.sub(f" {CELL} ", _BREAKS.sub("\n", text))
    return html.unescape(_TAGS.sub("", text))


def _without_latex(text: str) -> str:
    if "\\" in text:
        text = _LATEX_REST.sub(" ", _LATEX_SET_OFF.sub(OPEN, text)).replace("}", CLOSE)
    return text.replace("{", " ").replace("}", " ").replace("$", " ")


def _plain_forms(text: str) -> str:
    return "\n".join(map(_plain_line, text.split("\n")))


def _plain_line(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    kept = []
    for character in unicodedata.normalize("NFKC", line):
        if character in f"\n{OPEN}{CLOSE}":
            kept.append(character)
        elif character in _LINE_BREAKS:
            kept.append("\n")
        elif character == "\t":
            kept.append(" ")
        elif unicodedata.category(character) not in _INVISIBLE:
            kept.append(character)
    return "".join(kept)
