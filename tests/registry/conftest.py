"""A models file of the user's, and no other from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxbench.registry import MODELS_VARIABLE


@pytest.fixture(autouse=True)
def no_models_file_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"
