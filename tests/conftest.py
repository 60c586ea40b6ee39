"""Checkpoints that many tests share: made once, never downloaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlxbench import registry, synthetic

# No test asks a hub on the network; those that ask one on loopback do so in processes of their own.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def checkpoint_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's synthetic checkpoints lie."""
    return tmp_path_factory.mktemp("synthetic")


@pytest.fixture(scope="session")
def tiny_dense(checkpoint_cache: Path) -> Path:
    """A dense Qwen-3 of 4 layers with random 4-bit weights."""
    return _made("tiny-dense", checkpoint_cache)


@pytest.fixture(scope="session")
def tiny_moe(checkpoint_cache: Path) -> Path:
    """A Qwen-3 mixture of 16 experts with random 4-bit weights."""
    return _made("tiny-moe", checkpoint_cache)


def _made(name: str, cache: Path) -> Path:
    shape = registry.load()[name].shape
    assert shape is not None
    return synthetic.ensure(synthetic.Recipe(name, shape, None, "f32"), cache)
