"""A command line that runs inside the test process, with its own home."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxbench.cli import main
from tests.cli.invoke import Outcome

Invoke = Callable[..., Outcome]


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests, so that synthetic checkpoints are made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def mlxbench(
    shared_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Invoke:
    """`mlxbench("decode", "--model", "tiny-moe")` gives exit code, stdout and stderr."""
    monkeypatch.setenv("MLXBENCH_HOME", str(shared_home))
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mlxbench", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return Outcome(code, shown.out, shown.err)

    return invoke
