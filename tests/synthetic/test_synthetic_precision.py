"""Synthetic checkpoints in other precisions than 4 bit, as mlx-lm sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.generate import generate_step

from mlxbench import checkpoints
from mlxbench.errors import InputError
from mlxbench.synthetic import Recipe, ensure, size_bytes
from mlxbench.synthetic.config import model_config
from mlxbench.synthetic.layout import affine_constants
from tests.synthetic.shapes import MOE, TINY, weight_bytes

MOE_RECIPE = Recipe("tiny-moe", MOE, layers=2, scales="f32")
# As made before recipes had a precision: caches of earlier versions must still be found.
NAME = "tiny-dense-f32-e53a178926"


def test_recipes_of_four_bits_keep_their_names_and_their_configuration() -> None:
    assert TINY.directory_name == NAME
    assert "bits" not in model_config(TINY)["mlxbench_synthetic"]["recipe"]


def test_another_precision_has_another_name_that_says_it() -> None:
    names = [replace(TINY, bits=bits).directory_name for bits in (4, 5, 6, 8, None)]
    assert len(set(names)) == len(names)
    assert names[2].startswith("tiny-dense-6bit-f32-")
    assert names[4].startswith("tiny-dense-unquantised-f32-")


@pytest.mark.parametrize("bits", [5, 6, 8, None])
@pytest.mark.parametrize("base", [MOE_RECIPE, replace(TINY, scales="bf16")])
def test_mlx_lm_loads_every_precision_and_its_tokens_vary(
    tmp_path: Path, bits: int | None, base: Recipe
) -> None:
    recipe = replace(base, bits=bits)
    directory = ensure(recipe, tmp_path)
    assert weight_bytes(directory) == size_bytes(recipe)
    model = mlx_lm.load(str(directory))[0]
    types = {array.dtype for array in dict(tree_flatten(model.parameters())).values()}
    assert (mx.uint32 in types) == (bits is not None)
    prompt = mx.arange(20, 52)
    logits = model(prompt[None]).astype(mx.float32)
    assert mx.isfinite(logits).all().item()
    assert 0.5 < float(np.std(np.asarray(logits))) < 2
    tokens = [token for token, _ in generate_step(prompt, model, max_tokens=24)]
    assert len(set(tokens)) >= 12


@pytest.mark.parametrize(("bits", "expected"), [(5, 5.5), (6, 6.5), (8, 8.5), (None, 16)])
def test_the_bits_per_weight_are_those_of_real_builds(
    tmp_path: Path, bits: int | None, expected: float
) -> None:
    directory = ensure(replace(TINY, bits=bits, scales="bf16"), tmp_path)
    found = checkpoints.inspect(directory, "tiny-dense", "synthetic")
    assert found.bits_per_weight == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("bits", [5, 6])
def test_scale_and_bias_are_exact_in_bf16(bits: int) -> None:
    for constant in affine_constants(0.0371, bits):
        assert mx.array(constant).astype(mx.bfloat16).item() == constant


def test_a_precision_that_nobody_stores_is_refused() -> None:
    with pytest.raises(InputError, match="7 bits, where 4, 5, 6, 8 and unquantised are known"):
        replace(TINY, bits=7)
