"""The errors a person may see.

Each message is one line that says what failed, with which value, and what to do about it. The
command line catches `MlxbenchError` once, prints the line and leaves with `exit_code`; nothing
else is caught there, so a traceback always means a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_BUSY = 75  # EX_TEMPFAIL of sysexits.h: another mlxbench holds the accelerator
EXIT_INTERRUPTED = 130


class MlxbenchError(Exception):
    """Base of every error meant for people.

    `problem` says what failed and with which value; `advice` says what to do next.
    """

    exit_code = EXIT_FAILED

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}")
        self.problem = problem
        self.advice = advice


class InputError(MlxbenchError):
    """The command line, a file or a model name is unusable as given."""

    exit_code = EXIT_BAD_INPUT


class RegistryError(InputError):
    """A `models.toml` is malformed."""


class CheckpointError(InputError):
    """A checkpoint is missing, partial, corrupt or unsafe."""


class DoesNotFitError(InputError):
    """The model or the file to be made needs more memory or disk than there is."""


class HubError(MlxbenchError):
    """A download failed although the request made sense."""


class MeasurementError(MlxbenchError):
    """An engine could not be opened, or a measurement gave no usable trial."""


class StoreError(MlxbenchError):
    """The result store cannot be read or written."""


class BusyError(MlxbenchError):
    """Another mlxbench holds the accelerator."""

    exit_code = EXIT_BUSY


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean tiny-moe? `, to stand before an advice; empty where nothing is near."""
    near = difflib.get_close_matches(name.lower(), list(known))
    return f"did you mean {' or '.join(near)}? " if near else ""
