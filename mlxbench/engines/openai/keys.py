"""The key that a server may ask for: read from the environment, sent, and never seen again.

A server can send the key back: in an error, as a model's name, as generated text. So everything
that a server said passes through `hidden` before it leaves this engine. A message may have been cut
in the middle of the key, so its beginnings are hidden as well.
"""

from __future__ import annotations

import os
import re

from mlxbench.errors import InputError
from mlxbench.http_client import Address

VARIABLE = "MLXBENCH_API_KEY"
# Visible ASCII without quotes and backslashes: what a header takes, and what every way of writing
# text down leaves as it is, so that it is found again.
KEY = re.compile(r"[!#-&(-\[\]-~]+")
# Servers that need no key are given words like "none" or "x". Hiding those would spoil the text.
SHORTEST_SECRET = 8
HIDDEN = "***"


def from_environment(address: Address) -> str | None:
    """The key for a server, if there is one. Raises InputError, which does not show it.

    No other program's variable is read: a key that people pay for would go to whoever listens. Nor
    does it cross a network in clear.
    """
    key = os.environ.get(VARIABLE, "").strip()
    if not key:
        return None
    if not KEY.fullmatch(key):
        raise InputError(
            f"{VARIABLE} holds characters that no key has",
            "set it to the key alone, without quotes or spaces",
        )
    if address.scheme != "https" and not address.is_loopback:
        raise InputError(
            f"{VARIABLE} would go to {address.url} in clear", f"use https, or unset {VARIABLE}"
        )
    return key


def hidden(text: str, key: str | None) -> str:
    """`text` without `key`, nor a beginning of it that is long enough to matter."""
    for end in range(len(key or ""), SHORTEST_SECRET - 1, -1):
        text = text.replace((key or "")[:end], HIDDEN)
    return text
