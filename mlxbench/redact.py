"""Text that may be kept and shown: no tokens, no users of addresses, no home directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
TOKEN = re.compile(r"hf_[A-Za-z0-9]+")
USER_INFO = re.compile(r"(?<=//)[^/@\s]+@")
HIDDEN = "***"


def redact(text: str) -> str:
    """`text` in one line, without what could open an account or name a person."""
    for variable in TOKEN_VARIABLES:
        if token := os.environ.get(variable):
            text = text.replace(token, HIDDEN)
    text = USER_INFO.sub(f"{HIDDEN}@", TOKEN.sub(HIDDEN, text))
    return " ".join(without_home(text).split())


def without_home(text: str) -> str:
    """`text` with the home directory, whose name is mostly a person's, as `~`."""
    home = str(Path.home())
    return re.sub(rf"{re.escape(home)}(?=/|\b|$)", "~", text) if len(Path(home).parts) > 1 else text
