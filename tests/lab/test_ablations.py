"""Attention spelt out, in a real model: the same result, only in decode steps, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from mlx_lm.models import qwen3, qwen3_moe
from mlx_lm.models.cache import make_prompt_cache

from mlxbench.errors import InputError
from mlxbench.lab import ablations
from mlxbench.synthetic import Recipe, ensure
from tests.lab.other_families import FAMILIES, made
from tests.synthetic.shapes import MOE, TINY


@pytest.fixture(scope="module", params=[TINY, Recipe("tiny-moe", MOE, layers=2, scales="f32")])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return mlx_lm.load(str(ensure(request.param, tmp_path_factory.mktemp("model"))))[0]


def decoded(model: Any, prompt: mx.array) -> np.ndarray[Any, Any]:
    """Logits of a decode step after a prompt."""
    cache = make_prompt_cache(model)
    model(prompt[None, :-1], cache=cache)
    return np.asarray(model(prompt[None, -1:], cache=cache)[0, -1].astype(mx.float32))


@contextmanager
def calls_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of queries in each call of the spelt-out attention."""
    lengths: list[int] = []
    attend = ablations.attend

    def counting(queries: mx.array, *others: Any) -> mx.array:
        lengths.append(queries.shape[2])
        return attend(queries, *others)

    with monkeypatch.context() as patch:
        patch.setattr(ablations, "attend", counting)
        yield lengths


def test_attention_spelt_out_is_attention() -> None:
    mx.random.seed(7)
    queries = mx.random.normal((2, 8, 1, 64))
    keys, values = (mx.random.normal((2, 2, 37, 64)) for _ in range(2))
    fused = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=0.125)
    ours = ablations.attend(queries, keys, values, 0.125)
    assert np.allclose(np.asarray(ours), np.asarray(fused), rtol=1e-5, atol=1e-6)


def test_in_a_model_it_runs_in_every_layer_of_a_decode_step_and_changes_no_logit(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = mx.arange(30, 62)
    stock = decoded(model, prompt)
    with calls_counted(monkeypatch) as lengths, ablations.manual_attention(model):
        ours = decoded(model, prompt)
    assert lengths == [1] * len(model.layers)  # the prompt went through the fused one
    assert np.abs(ours - stock).max() <= 1e-4 * np.abs(stock).max()


def test_it_is_taken_back_whatever_happens(model: Any) -> None:
    before = [getattr(module, ablations.FUNCTION) for module in (qwen3, qwen3_moe)]
    with pytest.raises(RuntimeError), ablations.manual_attention(model):
        raise RuntimeError
    assert before == [getattr(module, ablations.FUNCTION) for module in (qwen3, qwen3_moe)]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_other_families_that_call_mlx_lms_own_attention_have_it_spelt_out_too(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = mlx_lm.load(str(made(family, tmp_path)))[0]
    prompt = mx.arange(30, 62)
    stock = decoded(model, prompt)
    with calls_counted(monkeypatch) as lengths, ablations.manual_attention(model):
        ours = decoded(model, prompt)
    assert lengths == [1] * len(model.layers)
    assert np.abs(ours - stock).max() <= 1e-4 * np.abs(stock).max()


def test_a_family_without_that_attention_is_refused() -> None:
    with pytest.raises(InputError, match="no attention that is known"):
        ablations.manual_attention(SimpleNamespace(modules=lambda: [object()])).__enter__()


@pytest.mark.parametrize("other", [{"mask": mx.ones((1, 1, 1, 5))}, {"sinks": mx.zeros(4)}])
def test_a_decode_step_that_would_stay_fused_is_refused(
    model: Any, other: dict[str, mx.array]
) -> None:
    home = qwen3_moe if "moe" in type(model).__module__ else qwen3
    one, past = mx.zeros((1, 4, 1, 64)), mx.zeros((1, 2, 5, 64))
    with ablations.manual_attention(model):
        attention = getattr(home, ablations.FUNCTION)
        attention(one, past, past, cache=None, scale=1.0, mask=None)
        with pytest.raises(InputError, match="is not spelt out here"):
            attention(one, past, past, cache=None, scale=1.0, **{"mask": None, **other})
