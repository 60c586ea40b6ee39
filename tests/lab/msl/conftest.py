"""Compiled kernels of the session lie in one place of their own, so nothing old is ever tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlxbench.paths import HOME_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache of compiled kernels, shared by the session's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield
