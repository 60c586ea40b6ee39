"""Kernels swapped into a model while a trial runs, by installers that somebody above provides.

The lab, which knows experiments and backends, sits above the engines; an arm only names what it
wants. So whoever resolves an arm hands the installers down first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from mlxbench.errors import InputError

Installer = Callable[[Any], AbstractContextManager[Any]]  # changes a loaded model until it ends

_PROVIDED: dict[str, Installer] = {}


@contextmanager
def provided(installers: dict[str, Installer]) -> Iterator[None]:
    """Let options name these installers until the block ends."""
    before = dict(_PROVIDED)
    _PROVIDED.update(installers)
    try:
        yield
    finally:
        _PROVIDED.clear()
        _PROVIDED.update(before)


@contextmanager
def installed(model: Any, names: tuple[str, ...]) -> Iterator[None]:
    """Change the model by each named installer. Raises InputError for one that nobody provided."""
    with ExitStack() as stack:
        for name in names:
            if name not in _PROVIDED:
                raise InputError(
                    f"no kernel {name!r} is at hand", "run it with `mlxbench kernels decode`"
                )
            stack.enter_context(_PROVIDED[name](model))
        yield
