"""What a server can do wrong, as one exception that becomes a failed trial."""

from __future__ import annotations

from mlxbench.records import Failed, FailureReason
from mlxbench.redact import redact

LONGEST_MESSAGE = 300


class ServerFault(Exception):
    """An exchange that gave no usable answer: why, in a word for records and a line for people."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def failed(self) -> Failed:
        """The trial that this exchange was."""
        return Failed(self.reason, self.message)


def clean(text: str, secret: str | None = None) -> str:
    """Somebody else's words on one printable line, without `secret` and other tokens, cut short."""
    if secret:
        text = text.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in text)
    return redact(printable)[:LONGEST_MESSAGE]
