"""A comparer with a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.measure.comparing_sim import Comparer, comparer


@pytest.fixture
def compared_in(tmp_path: Path) -> Iterator[Comparer]:
    with comparer(tmp_path) as made:
        yield made
