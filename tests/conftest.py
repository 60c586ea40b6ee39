"""Checkpoints that many tests share: made once, never downloaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mlxbench import registry, synthetic

# No test asks a hub on the network; those that ask one on loopback do so in processes of their own.
os.environ["HF_HUB_OFFLINE"] = "1"


class ByFile(LoadScopeScheduling):
    """What one process runs: a file's tests, for their fixtures, and all tests of commands.

    Commands hold the machine's one accelerator; two processes of them would get in each other's
    way.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "tests/cli" if nodeid.startswith("tests/cli/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Called where tests run in several processes (`-n`)."""
    return ByFile(config, log)


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
