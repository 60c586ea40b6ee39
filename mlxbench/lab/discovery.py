"""Experiments are found by looking: every folder with an `experiment.py` is one.

There is no list to add a name to. A user's own folder lies over the one that comes with mlxbench: a
new name is added, a known one replaced. Their Python is run, as any program's is that one starts,
so only folders that were named on the command line are looked into.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlxbench.errors import InputError, did_you_mean
from mlxbench.lab.experiment import Experiment, Kernel

EXPERIMENT_FILE = "experiment.py"
ATTRIBUTE = "EXPERIMENT"
DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Found:
    """An experiment and the folder that it came from; `digest` changes with any of its sources."""

    experiment: Experiment
    folder: Path
    digest: str

    @property
    def label(self) -> str:
        """What records keep: the name with the state of the sources."""
        return f"{self.experiment.name}@{self.digest}"

    def source(self, kernel: Kernel) -> str:
        """The Metal body of one of its kernels."""
        return _text(self.folder / kernel.file)

    def header(self, kernel: Kernel) -> str:
        """The Metal text that stands before its body."""
        return _text(self.folder / kernel.header) if kernel.header else ""


def builtin_folder() -> Path:
    """The `kernels/` that comes with mlxbench: in the wheel, or at the top of a source tree."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "data" / "kernels"
    return packaged if packaged.is_dir() else package.parent / "kernels"


def discover(own: Path | None = None) -> dict[str, Found]:
    """Every experiment by name, the user's `own` folder over ours. Raises InputError."""
    found = _scan(builtin_folder())
    if own is None:
        return found
    if not own.is_dir():
        raise InputError(f"{own} is no folder", "give --kernels a folder of experiments")
    return found | _scan(own)


def pick(found: Mapping[str, Found], names: tuple[str, ...]) -> list[Found]:
    """The named experiments, or all. Raises InputError for a name that is not there."""
    for name in names:
        if name not in found:
            known = ", ".join(found) or "none"
            advice = f"use one of {known}, or name the folder of your own with --kernels"
            raise InputError(f"no experiment named {name!r}", did_you_mean(name, found) + advice)
    return [found[name] for name in names or found]


def places(folder: Path) -> list[Path]:
    """The folders of experiments in `folder`."""
    return sorted(path.parent for path in folder.glob(f"*/{EXPERIMENT_FILE}"))


def _scan(folder: Path) -> dict[str, Found]:
    return {place.name: load(place) for place in places(folder)}


def load(folder: Path) -> Found:
    """The experiment of one folder. Raises InputError."""
    experiment = _imported(folder)
    if experiment.name != folder.name:
        raise InputError(
            f"{folder / EXPERIMENT_FILE} names itself {experiment.name!r}",
            f"call it {folder.name!r}, like its folder",
        )
    for kernel in experiment.kernels:
        for file in (kernel.file, kernel.header):
            if file and not (folder / file).is_file():
                raise InputError(f"{folder} has no {file}", f"add it, or rename it in {ATTRIBUTE}")
    return Found(experiment, folder, _digest(folder))


def _imported(folder: Path) -> Experiment:
    """`EXPERIMENT` of the folder, its module loaded anew under a name of its own."""
    path = folder / EXPERIMENT_FILE
    name = f"mlxbench_kernel_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it loads
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} does not load ({_where(error, path)})", "correct it") from error
    experiment = getattr(module, ATTRIBUTE, None)
    if not isinstance(experiment, Experiment):
        raise InputError(f"{path} has no {ATTRIBUTE}", f"add `{ATTRIBUTE} = Experiment(…)`")
    return experiment


def _where(error: Exception, path: Path) -> str:
    """The error with the line of the experiment in which it came up."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"


def _digest(folder: Path) -> str:
    """Of every source file: names and contents."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".py", ".metal", ".h"):
            whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:DIGEST_LENGTH]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error})", "check the file") from error
