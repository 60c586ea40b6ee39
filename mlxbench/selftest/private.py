"""Text without names: a self-test's file is made to be handed to strangers.

Nearly all of its text is ours or picked by allow-list. What is left are the words of errors and of
compilers, which may hold paths, and a path may hold anybody's name. So besides tokens, users of
addresses and the home directory, every folder goes, and with it the name of the machine.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import tempfile
from pathlib import Path

from mlxbench.redact import HIDDEN, redact

MOST_CHARACTERS = 600
SHORTEST_NAME = 3
GONE = "…/"
# From the beginning of a path to its last slash. Folders may have spaces in their names, so some
# words after a path may go as well: better than a name that stays.
_PATH = re.compile(r"""(?:(?<![\w.:/…~])/(?=[^\s/:'"])|[…~]/)(?:[^:'"]*/)?""")
_NO_NAMES = frozenset({"localhost", "root", "metal", "cpu", "mlx", "mac"})


def foreign(text: str) -> str:
    """A stranger's words in one short line: no folders, no names of people or machines."""
    for folder in _folders():
        text = text.replace(folder, GONE.rstrip("/"))
    text = redact(text)
    text = _PATH.sub(GONE, text)
    for name in _names():
        text = re.sub(rf"\b{re.escape(name)}\b", HIDDEN, text, flags=re.IGNORECASE)
    return text[:MOST_CHARACTERS]


def _folders() -> list[str]:
    """Folders of this machine whose names may hold spaces, longest first."""
    kept = [os.environ.get(name) for name in ("MLXBENCH_HOME", "TMPDIR", "VIRTUAL_ENV")]
    here = [str(Path.cwd()), str(Path.home()), tempfile.gettempdir()]
    found = {folder.rstrip("/") for folder in (*kept, *here) if folder}
    return sorted((one for one in found if one.count("/") > 1), key=len, reverse=True)


def _names() -> list[str]:
    """The machine's name, whole and without its domain, and the user's; longest first."""
    node = platform.node()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    found = {node, node.partition(".")[0], user}
    names = [one for one in found if len(one) >= SHORTEST_NAME and one.lower() not in _NO_NAMES]
    return sorted(names, key=len, reverse=True)
