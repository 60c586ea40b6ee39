"""What `--model` may be besides a name of the registry: a directory, or `hf:owner/repo[@revision]`.

The `hf:` is needed, so that a mistyped directory is never taken for something to download.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlxbench.errors import InputError

HUB_PREFIX = "hf:"
FORM = "hf:owner/repository or hf:owner/repository@revision"

# What huggingface.co allows in either half of a repository's name.
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
# A branch, tag or commit, possibly a nested one such as refs/pr/3, and never a path upwards.
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository on the hub; a revision of None means its main branch."""

    repository: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """The reference as `--model` takes it."""
        return f"{HUB_PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse_reference(text: str) -> Path | HubReference:
    """Read `text` without touching disk or network; InputError says what is wrong with it."""
    if not text.strip():
        raise InputError("the model name is empty", f"give a name, a directory or {FORM}")
    if "\0" in text:
        raise InputError("the model name holds a NUL byte", f"give a name, a directory or {FORM}")
    if not text.startswith(HUB_PREFIX):
        return Path(text).expanduser()
    repository, at, revision = text.removeprefix(HUB_PREFIX).partition("@")
    _check_repository(text, repository)
    if at:
        _check_revision(text, revision)
    return HubReference(repository, revision or None)


def _check_repository(text: str, repository: str) -> None:
    if repository.count("/") != 1:
        raise InputError(f"{text!r} does not name an owner and a repository", f"write {FORM}")
    for part, name in zip(("owner", "repository"), repository.split("/"), strict=True):
        if not name:
            raise InputError(f"{text!r} has an empty {part}", f"write {FORM}")
        if not NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
            raise InputError(
                f"{text!r} has {name!r} as its {part}, which the hub does not allow",
                f"write {FORM}, with letters, digits, '-', '_' and '.'",
            )


def _check_revision(text: str, revision: str) -> None:
    if not revision:
        raise InputError(f"{text!r} has an empty revision", "give one, or leave out the '@'")
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise InputError(
            f"{text!r} has {revision!r} as its revision", "give a branch, a tag or a commit"
        )
