"""A new experiment: a folder with a template that passes its own check."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from mlxbench.errors import InputError

PLACEHOLDER = "NAME"
FILES = ("experiment.py", "kernel.metal", "NOTES.md")


def create(name: str, folder: Path) -> Path:
    """Write the template as `folder/name`. Raises InputError for a bad name or a taken place."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise InputError(
            f"{name!r} cannot name an experiment",
            "use small letters, digits and _, beginning with a letter",
        )
    place = folder / name
    try:
        place.mkdir(parents=True)
        for file in FILES:
            text = (files("mlxbench.lab") / "template" / file).read_text(encoding="utf-8")
            (place / file).write_text(text.replace(PLACEHOLDER, name), encoding="utf-8")
    except FileExistsError as error:
        raise InputError(f"{place} is there already", "choose another name") from error
    except OSError as error:
        raise InputError(
            f"cannot write {place} ({error.strerror})", "give --kernels a folder of your own"
        ) from error
    return place
