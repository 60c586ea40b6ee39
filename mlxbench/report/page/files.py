"""A report as files in a folder: what `results report` leaves behind.

Each file appears whole or not at all. A second report in the same folder replaces the first: its
files are written anew, and plots of the first that the second has nothing for are removed, so that
nobody posts a figure of another day. Nothing else in there is touched.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlxbench.errors import InputError
from mlxbench.report import markdown, page
from mlxbench.report.export import to_csv
from mlxbench.report.page.contents import Contents
from mlxbench.report.rows import ResultRow


def write(folder: Path, made: Contents, rows: Sequence[ResultRow]) -> list[Path]:
    """Write every file and return their paths. Raises InputError where that is not possible."""
    try:
        written = [_written(folder / name, content) for name, content in _files(made, rows)]
        for old in _left_over(folder, written):
            old.unlink()
        return written
    except OSError as error:
        raise InputError(
            f"cannot write the report to {str(folder)!r} ({error.strerror})",
            "choose another folder with --output",
        ) from error


def _files(made: Contents, rows: Sequence[ResultRow]) -> Iterator[tuple[str, bytes]]:
    from mlxbench.report.plots import png

    yield "report.html", page.html(made).encode()
    yield "report.md", markdown.text(made).encode()
    yield "results.csv", to_csv(rows).encode()
    for plot in made.plots:
        yield _picture(plot.name), png(plot)


def _picture(name: str) -> str:
    """Where a plot's picture lies in the folder."""
    return f"plots/{name}.png"


def _left_over(folder: Path, written: Sequence[Path]) -> Iterator[Path]:
    """Plots of an earlier report that this one does not have."""
    from mlxbench.report.plots import NAMES

    places = (folder / _picture(name) for name in NAMES)
    yield from (path for path in places if path not in written and path.is_file())


def _written(path: Path, content: bytes) -> Path:
    """Write beside the file and rename, so that no reader meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
