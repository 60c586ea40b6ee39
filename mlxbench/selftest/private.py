"""Text without names: a self-test's file is made to be handed to strangers.

Nearly all of its text is ours or picked by allow-list. What is left are the words of errors and of
compilers, which may hold paths, and a path may hold anybody's name. So besides tokens, users of
addresses and the home directory, every folder goes, and with it the name of the machine.

Folders may have spaces and quotes in their names, and nothing tells where a path ends and words go
on. So some words after a path may go as well: better than a name that stays.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
import tempfile
from pathlib import Path

import mlxbench
from mlxbench import paths
from mlxbench.redact import HIDDEN, redact

MOST_CHARACTERS = 600
SHORTEST_NAME = 3
GONE = "…/"
# Within a path: anything up to a quote, or a colon after which words or a line's number follow.
_INSIDE = r"""(?:[^:"]|:(?![\s\d]|$))"""
# No path begins in a word or a fraction, but in the option of a compiler (-I/…); nor where an
# address names its server.
_BEGIN = (
    r"(?:(?:(?<![\w./…~])|(?<= -[A-Z]))(?!(?<=:)//[^/])/+(?=[^\s/])"
    r"|(?=/(?:Volumes|Users|home)/)/|[…~]/)"
)
# The name of a disk or a person at a path's end, up to a quote that closes.
_OWNER = rf"""(?:(?<=/Volumes/)|(?<=/Users/)|(?<=/home/))(?:(?!'(?!\w)){_INSIDE})*"""
_PATH = re.compile(rf"{_BEGIN}(?:{_INSIDE}*/)?(?:{_OWNER})?", flags=re.IGNORECASE)
_NO_NAMES = frozenset({"localhost", "root", "metal", "cpu", "mlx", "mac"})
_FOLDER_VARIABLES = ("MLXBENCH_HOME", "HF_HOME", "HF_HUB_CACHE", "TMPDIR", "VIRTUAL_ENV")


def foreign(text: str) -> str:
    """A stranger's words in one short line: no folders, no names of people or machines."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # names of files need not be text
    for folder in _folders():
        text = re.sub(rf"{re.escape(folder)}(?![^\s/'\":,;)\]])", GONE.rstrip("/"), text)
    text = _PATH.sub(GONE, redact(text))
    for name in _names():
        text = re.sub(rf"\b{re.escape(name)}\b", HIDDEN, text, flags=re.IGNORECASE)
    return text[:MOST_CHARACTERS]


def _folders() -> list[str]:
    """Folders of this machine whose names may hold anything, longest first."""
    kept = [Path(value) for name in _FOLDER_VARIABLES if (value := os.environ.get(name))]
    kept += [Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
    kept += [Path(sys.prefix), Path(sys.base_prefix), Path(mlxbench.__file__).parent]
    kept += [paths.cache_directory(), paths.data_directory()]
    found = {str(one) for folder in kept for one in (folder, folder.resolve())}
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
