"""Prompts: exact lengths, windows that survive the round trip, first tokens that differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from mlxbench.errors import InputError, MeasurementError
from mlxbench.text import MAX_SLIDES, exact_prompt, natural_text, sentences

LENGTHS = [1, 2, 8, 127, 128, 512, 2048, 8192, 32768]
PINNED_FIRST_SENTENCE = (
    "Numbers that have exactly two divisors were a puzzle "
    "long before anyone needed them for secrets."
)


def trained_bpe(vocab_size: int) -> Tokenizer:
    """Byte-level BPE, split as GPT-2 does; a small vocabulary cuts words into pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    return tokenizer


class Codec:
    """Encode and decode of a tokenizer, counting the calls on long texts."""

    def __init__(self, vocab_size: int) -> None:
        self.tokenizer = trained_bpe(vocab_size)
        self.long_encodes = 0

    def encode(self, text: str) -> list[int]:
        self.long_encodes += len(text) > 100
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))


@pytest.fixture(scope="module", params=[400, 1000, 4096], ids="vocab{}".format)
def codec(request: pytest.FixtureRequest) -> Codec:
    return Codec(request.param)


def letters(text: str) -> list[int]:
    return [ord(character) for character in text]


def unletters(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def test_sentences_are_plain_distinct_and_of_readable_length() -> None:
    words = [sentence.split(" ") for sentence in sentences()]
    assert len(words) >= 170
    assert len({first for first, *_ in words}) == len(words)
    assert all(8 <= len(sentence) <= 25 for sentence in words)
    assert all(sentence.isascii() and sentence == sentence.strip() for sentence in sentences())


def test_text_uses_every_sentence_once_before_any_twice() -> None:
    once = sum(len(sentence) + 1 for sentence in sentences())
    text = natural_text(seed=3, min_characters=once)
    assert all(text.count(sentence) == 1 for sentence in sentences())
    twice = natural_text(seed=3, min_characters=2 * once)
    assert twice.startswith(text)
    assert all(twice.count(sentence) == 2 for sentence in sentences())
    assert twice[len(text) + 1 :] != text


def test_text_is_the_same_for_a_seed_on_every_python() -> None:
    assert natural_text(seed=0, min_characters=1) == natural_text(seed=0, min_characters=80)
    assert natural_text(seed=0, min_characters=1) == PINNED_FIRST_SENTENCE
    assert natural_text(1, 500) != natural_text(2, 500) != natural_text(-2, 500)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_prompt_has_the_exact_length_and_survives_the_round_trip(
    codec: Codec, length: int
) -> None:
    prompt = exact_prompt(codec.encode, codec.decode, length, seed=length)
    assert len(prompt.tokens) == length
    assert tuple(codec.encode(prompt.text)) == prompt.tokens
    assert codec.decode(prompt.tokens) == prompt.text


def test_a_prompt_is_encoded_twice_and_no_more(codec: Codec) -> None:
    codec.long_encodes = 0
    exact_prompt(codec.encode, codec.decode, length=8192, seed=1)
    assert codec.long_encodes == 2


@pytest.mark.parametrize("length", range(1, 200, 7))
def test_any_short_length_works(codec: Codec, length: int) -> None:
    for seed in range(3):
        assert len(exact_prompt(codec.encode, codec.decode, length, seed).tokens) == length


def test_first_tokens_differ_for_consecutive_seeds_with_a_real_vocabulary() -> None:
    codec = Codec(vocab_size=4096)
    first = [
        exact_prompt(codec.encode, codec.decode, 1, seed).tokens[0] for seed in range(700, 870)
    ]
    assert len(set(first)) == len(first)


def test_a_small_vocabulary_gives_as_many_first_tokens_as_its_words_have() -> None:
    codec = Codec(vocab_size=400)
    possible = {codec.encode(sentence)[0] for sentence in sentences()}
    seeds = range(50, 50 + len(possible))
    seen = {exact_prompt(codec.encode, codec.decode, 1, seed).tokens[0] for seed in seeds}
    assert seen == possible
    assert len(possible) >= 20


def test_prompts_of_one_length_all_differ(codec: Codec) -> None:
    prompts = [exact_prompt(codec.encode, codec.decode, 16, seed) for seed in range(400)]
    assert len({prompt.tokens for prompt in prompts}) == len(prompts)
    assert all(a.tokens[0] != b.tokens[0] for a, b in pairwise(prompts))


def test_the_same_seed_gives_the_same_prompt(codec: Codec) -> None:
    assert exact_prompt(codec.encode, codec.decode, 64, seed=9) == exact_prompt(
        codec.encode, codec.decode, 64, seed=9
    )


def test_a_window_that_does_not_survive_slides_by_a_word() -> None:
    def encode_merging_a_final_e(text: str) -> list[int]:
        tokens = letters(text)
        return [*tokens[:-1], 1000] if text.endswith("e") else tokens

    def decode(tokens: Sequence[int]) -> str:
        return unletters([ord("e") if token == 1000 else token for token in tokens])

    bad = [
        seed for seed in range(100) if exact_prompt(letters, unletters, 60, seed).text.endswith("e")
    ]
    assert bad
    for seed in bad:
        prompt = exact_prompt(encode_merging_a_final_e, decode, 60, seed)
        assert len(prompt.tokens) == 60
        assert not prompt.text.endswith("e")


@pytest.mark.parametrize("length", [0, -5])
def test_a_length_below_one_is_refused(length: int) -> None:
    with pytest.raises(InputError, match=f"a prompt of {length} tokens"):
        exact_prompt(letters, unletters, length, seed=0)


def test_a_tokenizer_that_adds_special_tokens_is_reported_after_a_bounded_search() -> None:
    calls = 0

    def encode_with_start_token(text: str) -> list[int]:
        nonlocal calls
        calls += 1
        return [2, *letters(text)]

    with pytest.raises(MeasurementError, match="adds no special tokens"):
        exact_prompt(encode_with_start_token, unletters, 30, seed=0)
    assert calls == len(sentences()) + 2 * MAX_SLIDES
