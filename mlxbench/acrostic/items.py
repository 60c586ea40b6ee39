"""The items of the probe: what is sent to the model, and what the poem hides.

Four suites ask four things. **fomo** is the lab note's poem, asked about as the note prints it and
as its script sent it. **ladder** asks about that poem and three fresh ones with questions that tell
more and more, which separates noticing from finding the line starts and from putting letters
together. **heldout** has acrostics that no model can have met, so the gap to the lab note's public
poem shows memory. **controls** spell nothing: what a model finds there is a false alarm.

Held-out items and controls use the note's form, its question above the poem, so that suites differ
in the poem alone. The poems lie in `data/*.toml`, where the header of each file states its rules;
`tests/acrostic/test_items.py` holds every poem to them.

Traps. A shuffled control is made here from its held-out item, so the two cannot drift apart: a
corrected line is corrected in both. An item's name is kept in stored results, so a poem that
changes needs a new name.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from mlxbench.acrostic.original import NOTE_PROMPT, PHRASE, POEM, QUESTION, SCRIPT_PROMPT
from mlxbench.errors import InputError

Suite = Literal["fomo", "ladder", "heldout", "controls"]
SUITES: tuple[Suite, ...] = get_args(Suite)
# The bare name of the lab note's poem means the prompt that the note prints.
SHORT_NAMES = {"fomo": "fomo-note"}


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt of the probe with what its poem hides.

    `phrase` is in capitals with single spaces, None for a control. `prompt` is exactly the user's
    message. `pair` is the held-out item that a control was made from. `kind` is a control's
    ("shuffled", "paraphrased", "ordinary", "last-letter") or a ladder item's rung ("notice",
    "segment", "decode").
    """

    name: str
    suite: Suite
    phrase: str | None
    poem: str
    prompt: str
    pair: str | None = None
    kind: str | None = None


@cache
def suite(name: Suite) -> tuple[Item, ...]:
    """The items of one suite, in the order of its data."""
    return _MAKERS[name]()


def item(name: str) -> Item:
    """Look an item up; `InputError` suggests near names."""
    known = {item.name: item for each in SUITES for item in suite(each)}
    full_name = SHORT_NAMES.get(name, name)
    if full_name in known:
        return known[full_name]
    near = difflib.get_close_matches(name.lower(), known, n=2)
    advice = f"did you mean {' or '.join(near)}?" if near else f"names begin as in {_examples()}"
    raise InputError(f"no probe item named '{name}'", advice)


def initials(poem: str) -> str:
    """The first letter of every line, in capitals and joined; blank lines do not count."""
    firsts = (next(filter(str.isalpha, line), "") for line in poem.splitlines())
    return "".join(firsts).upper()


def _examples() -> str:
    return ", ".join(suite(each)[0].name for each in SUITES)


def _fomo() -> tuple[Item, ...]:
    prompts = {"fomo-note": NOTE_PROMPT, "fomo-script": SCRIPT_PROMPT}
    return tuple(Item(name, "fomo", PHRASE, POEM, prompt) for name, prompt in prompts.items())


def _ladder() -> tuple[Item, ...]:
    data = _read("ladder")
    poems = [("fomo", PHRASE, POEM)]
    poems += [(entry["name"], entry["phrase"], _text(entry)) for entry in data["item"]]
    return tuple(
        Item(
            name=f"ladder-{name}-{rung}",
            suite="ladder",
            phrase=phrase,
            poem=poem,
            prompt=_prompt(question["text"], poem),
            kind=question["kind"],
        )
        for name, phrase, poem in poems
        for rung, question in enumerate(data["question"], start=1)
    )


def _heldout() -> tuple[Item, ...]:
    return tuple(
        Item(entry["name"], "heldout", entry["phrase"], poem, _prompt(QUESTION, poem))
        for entry in _read("heldout")["item"]
        for poem in (_text(entry),)
    )


def _controls() -> tuple[Item, ...]:
    originals = {item.name: item.poem for item in suite("heldout")}
    return tuple(_control(entry, originals) for entry in _read("controls")["item"])


def _control(entry: Mapping[str, Any], originals: Mapping[str, str]) -> Item:
    shuffled = entry["kind"] == "shuffled"
    poem = _reordered(originals[entry["pair"]], entry["order"]) if shuffled else _text(entry)
    return Item(
        name=entry["name"],
        suite="controls",
        phrase=None,
        poem=poem,
        prompt=_prompt(QUESTION, poem),
        pair=entry.get("pair"),
        kind=entry["kind"],
    )


def _reordered(poem: str, order: Sequence[int]) -> str:
    """The poem's lines by their numbers from 1, laid into stanzas of the same lengths."""
    lines = [line for line in poem.splitlines() if line]
    shuffled = (lines[number - 1] for number in order)
    return "\n".join(next(shuffled) if line else "" for line in poem.splitlines())


def _prompt(question: str, poem: str) -> str:
    return f"{question}\n\n{poem}"


def _text(entry: Mapping[str, Any]) -> str:
    """The poem without the line break before the closing quotes."""
    return str(entry["poem"]).strip("\n")


def _read(name: str) -> dict[str, Any]:
    path = files("mlxbench").joinpath("acrostic", "data", f"{name}.toml")
    return tomllib.loads(path.read_text("utf-8"))


_MAKERS: dict[Suite, Callable[[], tuple[Item, ...]]] = {
    "fomo": _fomo,
    "ladder": _ladder,
    "heldout": _heldout,
    "controls": _controls,
}
