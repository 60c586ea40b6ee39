"""Ollama's parser that takes `<think>…</think>` out of a stream, piece by piece.

It holds back what may be the beginning of a tag, and eats white space after either tag. That is why
/api/generate, which passes on every piece, sends empty ones.
"""

from __future__ import annotations

from dataclasses import dataclass

OPENING = "<think>"
CLOSING = "</think>"


@dataclass
class ThinkingParser:
    """States as in the source: opening, started, thinking, done, answering."""

    state: str = "opening"
    held: str = ""

    def add(self, content: str) -> tuple[str, str]:
        """Thinking and answer that can go out now."""
        self.held += content
        thinking = answer = ""
        again = True
        while again:
            more_thinking, more_answer, again = getattr(self, f"_{self.state}")()
            thinking, answer = thinking + more_thinking, answer + more_answer
        return thinking, answer

    def _opening(self) -> tuple[str, str, bool]:
        trimmed = self.held.lstrip()
        if trimmed.startswith(OPENING):
            self.held = trimmed.removeprefix(OPENING).lstrip()
            self.state = "thinking" if self.held else "started"
            return "", "", True
        if OPENING.startswith(trimmed):
            return "", "", False
        self.state = "answering"
        return "", self._take(), False

    def _started(self) -> tuple[str, str, bool]:
        self.held = self.held.lstrip()
        if not self.held:
            return "", "", False
        self.state = "thinking"
        return "", "", True

    def _thinking(self) -> tuple[str, str, bool]:
        text = self._take()
        if CLOSING in text:
            thinking, _, answer = text.partition(CLOSING)
            answer = answer.lstrip()
            self.state = "answering" if answer else "done"
            return thinking, answer, False
        lengths = range(min(len(CLOSING), len(text)), 0, -1)
        overlap = next((n for n in lengths if text.endswith(CLOSING[:n])), 0)
        self.held = text[len(text) - overlap :]
        return text[: len(text) - overlap], "", False

    def _done(self) -> tuple[str, str, bool]:
        answer = self._take().lstrip()
        if answer:
            self.state = "answering"
        return "", answer, False

    def _answering(self) -> tuple[str, str, bool]:
        return "", self._take(), False

    def _take(self) -> str:
        text, self.held = self.held, ""
        return text
