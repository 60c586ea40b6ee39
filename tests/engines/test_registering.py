"""An engine from above this layer is known while it is needed, and no longer."""

from __future__ import annotations

import pytest

from mlxbench import engines
from mlxbench.errors import InputError


def test_a_registered_engine_is_forgotten_whatever_happens() -> None:
    before = dict(engines.ENGINES)
    with pytest.raises(RuntimeError), engines.registered("own", "mlxbench.engines.sim"):
        assert engines.engine("own") is engines.engine("sim")
        raise RuntimeError
    assert before == engines.ENGINES
    with pytest.raises(InputError, match="no engine named 'own'"):
        engines.engine("own")


def test_one_that_stands_in_for_another_gives_its_place_back() -> None:
    with engines.registered("ollama", "mlxbench.engines.sim"):
        assert engines.engine("ollama") is engines.engine("sim")
    assert engines.engine("ollama") is not engines.engine("sim")
