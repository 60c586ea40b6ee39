"""Thoughts and answers, however they are kept apart."""

from __future__ import annotations

import pytest

from mlxbench.acrostic.splitting import split

WHOLE = [
    "<think>a</think>b",
    "<thinking>a</thinking>b",
    "<Think>\na\n</THINK>\n\nb",
    '<reasoning effort="high">a</reasoning>b',
    "[THINK]a[/THINK]b",
    "◁think▷a◁/think▷b",
    "a</think>b",
    "Thinking...\na\n...done thinking.\n\nb",
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
]


@pytest.mark.parametrize("reply", WHOLE)
def test_every_style_is_split_at_the_same_place(reply: str) -> None:
    parts = split(reply)
    assert (parts.thoughts, parts.answer, parts.unclosed) == ("a", "b", False)


def test_several_blocks_are_one() -> None:
    parts = split("<think>a</think>b<think>c</think>d")
    assert (parts.thoughts, parts.answer) == ("a\nc", "b\nd")


@pytest.mark.parametrize("reply", ["<think></think>b", "<think>\n\n</think>\n\nb", "b"])
def test_empty_thoughts_are_none(reply: str) -> None:
    parts = split(reply)
    assert (parts.thoughts, parts.answer) == (None, "b")


@pytest.mark.parametrize("reply", ["<think>a", "Thinking...\na", "<|channel|>analysis<|message|>a"])
def test_what_nothing_closes_is_all_thoughts(reply: str) -> None:
    parts = split(reply)
    assert (parts.thoughts, parts.answer, parts.unclosed) == ("a", "", True)


def test_a_label_of_how_long_it_thought_is_no_thought() -> None:
    parts = split("Thought for 12 seconds\n\nb")
    assert parts.thoughts is None
    assert parts.answer.endswith("b")


def test_the_word_thinking_in_an_answer_is_a_word() -> None:
    assert split("I was thinking... and then b").thoughts is None
