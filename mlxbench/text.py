"""Natural prompt text of an exact token count.

Prompts are plain English because a mixture of experts routes repeated or random tokens unlike
prose. A prompt is a **title** of three words, then sentences in a seeded random order: each is used
once, then all are shuffled again, so the supply never ends. The order comes from
`random.Random.random()`, the one method whose sequence Python promises to keep between versions.

The title is the nonce. Servers keep the KV cache of earlier prompts and skip whatever prefix they
share with a new one, which would turn a prefill measurement into a look-up. So the *first* token
has to differ between prompts: title words come from a list in which no two start with the same
token, and counting through the list in base n (its length) never repeats a first token within n
consecutive seeds, nor a title within n³.

A prompt is a **window** of `length` tokens that survives the round trip through text: a server that
is given the text counts the very same tokens. Cutting a text between two tokens can change how its
last word is split, so that is checked and, when needed, the sentences slide by a word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count

from mlxbench.errors import InputError, MeasurementError

TITLE_WORDS = 3
# A prime larger than any list of first words: multiplying by it scatters consecutive titles.
TITLE_STRIDE = 1_000_003
# English has about five characters per token; more than enough text is cheap.
CHARACTERS_PER_TOKEN = 8
MAX_SLIDES = 16

Encode = Callable[[str], Sequence[int]]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids and the text that encodes to exactly them."""

    tokens: tuple[int, ...]
    text: str


@cache
def sentences() -> tuple[str, ...]:
    """The sentences that every prompt is made of; no two start with the same word."""
    text = files("mlxbench").joinpath("data", "sentences.txt").read_text("ascii")
    return tuple(text.splitlines())


def natural_text(seed: int, min_characters: int) -> str:
    """Whole sentences in an order given by `seed`, at least `min_characters` long."""
    chosen: list[str] = []
    characters = 0
    supply = _endless_sentences(seed)
    while characters < min_characters:
        chosen.append(next(supply))
        characters += len(chosen[-1]) + 1
    return " ".join(chosen)


def exact_prompt(encode: Encode, decode: Decode, length: int, seed: int) -> Prompt:
    """A prompt of exactly `length` tokens that survives `encode(decode(tokens))`.

    `encode` must add no special tokens. Raises InputError for an impossible length and
    MeasurementError when the tokenizer changes every window that was tried.
    """
    if length < 1:
        raise InputError(f"a prompt of {length} tokens is impossible", "ask for at least 1 token")
    title = _title(encode, seed)
    words = natural_text(seed, CHARACTERS_PER_TOKEN * (length + MAX_SLIDES)).split(" ")
    for slide in range(MAX_SLIDES):
        tokens = tuple(encode(" ".join([title, *words[slide:]]))[:length])
        text = decode(tokens)
        if len(tokens) == length and tuple(encode(text)) == tokens:
            return Prompt(tokens, text)
    raise MeasurementError(
        f"no prompt of {length} tokens survives this tokenizer's encode and decode",
        "try another length, and check that encoding adds no special tokens",
    )


def _endless_sentences(seed: int) -> Iterator[str]:
    for cycle in count():
        source = random.Random(f"{seed}/{cycle}")
        yield from sorted(sentences(), key=lambda _: source.random())


def _title(encode: Encode, seed: int) -> str:
    """Three words: the last digits of a scattered seed, in base n, lowest digit first."""
    words = _words_by_first_token(encode)
    number = seed * TITLE_STRIDE
    title = []
    for _ in range(TITLE_WORDS):
        number, digit = divmod(number, len(words))
        title.append(words[digit])
    return " ".join(title) + "."


def _words_by_first_token(encode: Encode) -> list[str]:
    """The sentences' first words, one for each different first token."""
    words: dict[int, str] = {}
    for sentence in sentences():
        word = sentence.partition(" ")[0]
        tokens = encode(word)
        if tokens:
            words.setdefault(tokens[0], word)
    if not words:
        raise MeasurementError(
            "this tokenizer knows none of our words", "use a checkpoint with a whole tokenizer"
        )
    return list(words.values())
