"""Whole checkpoints: every tensor of the GGUF file has the values that MLX computes with."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import gguf
import mlx.core as mx
import numpy as np
import pytest

from mlxbench import roofline, synthetic
from mlxbench.gguf_export import Export, export
from mlxbench.gguf_export.conversion import pieces
from mlxbench.gguf_export.names import modules
from mlxbench.gguf_export.planning import plan
from mlxbench.gguf_export.reading import stored_tensors
from mlxbench.records import Shape
from tests.gguf_export.variants import (
    checkpoint,
    dequantized,
    gguf_values,
    load,
    read_json,
    requantized,
    stored,
)
from tests.synthetic.shapes import DENSE, MOE, QWEN3_06B


def assert_same_values(directory: Path, made: Export) -> None:
    """Every tensor, and none more, bit for bit."""
    shape = roofline.shape_from_config(read_json(directory / "config.json"))
    assert shape is not None
    found = gguf_values(made.gguf)
    names = dict(modules(shape))
    assert sorted(found) == sorted(names.values())
    for module, name in names.items():
        expected = dequantized(directory, module)
        assert found[name][1].shape == expected.shape
        assert np.array_equal(found[name][1].view(np.uint32), expected.view(np.uint32)), name


@pytest.mark.parametrize("shape", [DENSE, MOE, replace(DENSE, tie_word_embeddings=True)])
@pytest.mark.parametrize("scales", ["bf16", "f32"])
def test_synthetic_checkpoints_are_identical(
    shape: Shape, scales: synthetic.recipe.ScaleType, tmp_path: Path
) -> None:
    directory = synthetic.ensure(synthetic.Recipe("some", shape, scales=scales), tmp_path)
    made = export(checkpoint(directory), tmp_path / "out")
    assert_same_values(directory, made)
    assert made.identical
    assert (made.rounded_constants, made.widened) == (0, ())


@pytest.mark.parametrize("group_size", [32, 64, 128])
@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
@pytest.mark.parametrize("model", ["tiny_dense", "tiny_moe"])
def test_weights_quantised_by_mlx_are_identical_at_every_group_size(
    group_size: int, dtype: mx.Dtype, model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = request.getfixturevalue(model)
    directory = requantized(source, tmp_path / "model", group_size, dtype)
    made = export(checkpoint(directory), tmp_path / "out")
    assert_same_values(directory, made)
    assert made.identical


def test_types_follow_what_a_tensor_is(tiny_moe: Path, tmp_path: Path) -> None:
    made = export(checkpoint(tiny_moe), tmp_path)
    types = {name: kind for name, (kind, _) in gguf_values(made.gguf).items()}
    assert types["token_embd.weight"] == types["output.weight"] == "Q4_1"
    assert types["blk.0.ffn_down_exps.weight"] == "Q4_1"
    assert types["blk.0.ffn_gate_inp.weight"] == types["blk.0.attn_q_norm.weight"] == "F32"
    assert made.tensors == {"Q4_1": 30, "F32": 21}
    assert made.bits_per_weight == pytest.approx(5.06, abs=0.01)


def test_names_are_those_of_the_gguf_package() -> None:
    for shape, arch in ((DENSE, gguf.MODEL_ARCH.QWEN3), (MOE, gguf.MODEL_ARCH.QWEN3MOE)):
        theirs = gguf.get_tensor_name_map(arch, shape.num_hidden_layers)
        for module, name in modules(shape):
            hugging_face = module.replace("switch_mlp", "experts")
            assert theirs.get_name(hugging_face, (".weight",)) == name.removesuffix(".weight")


def test_a_tied_model_has_no_output_tensor(tmp_path: Path) -> None:
    shape = replace(DENSE, tie_word_embeddings=True)
    directory = synthetic.ensure(synthetic.Recipe("tied", shape), tmp_path)
    assert "output.weight" not in gguf_values(export(checkpoint(directory), tmp_path / "o").gguf)


def test_a_matrix_at_other_bits_keeps_its_values_and_is_named(
    tiny_dense: Path, tmp_path: Path
) -> None:
    bits = {"lm_head": 6, "model.layers.1.mlp.down_proj": 8}
    directory = requantized(tiny_dense, tmp_path / "model", bits=bits)
    made = export(checkpoint(directory), tmp_path / "out")
    assert_same_values(directory, made)
    assert made.widened == ("blk.1.ffn_down.weight", "output.weight")
    assert made.identical


def test_an_unquantised_bf16_matrix_stays_bf16(tiny_dense: Path, tmp_path: Path) -> None:
    directory = requantized(tiny_dense, tmp_path / "model")
    tensors = load(directory)
    for part in ("scales", "biases"):
        del tensors[f"lm_head.{part}"]
    values = mx.random.normal((4096, 256)).astype(mx.bfloat16)
    stored(directory, tensors | {"lm_head.weight": values})
    made = export(checkpoint(directory), tmp_path / "out")
    assert gguf_values(made.gguf)["output.weight"][0] == "BF16"
    assert_same_values(directory, made)


def test_scales_that_f16_cannot_hold_are_counted_and_the_file_says_so(
    tiny_dense: Path, tmp_path: Path
) -> None:
    directory = requantized(tiny_dense, tmp_path / "model", dtype=mx.float32)
    tensors = load(directory)
    exact = {
        name: one.astype(mx.bfloat16).astype(mx.float32)
        for name, one in tensors.items()
        if name.endswith(("scales", "biases"))
    }
    scales = np.array(exact["lm_head.scales"])
    scales[7, 1:3] = np.float32(3.3e-7), np.float32(1 / 3)
    stored(directory, tensors | exact | {"lm_head.scales": mx.array(scales)})
    made = export(checkpoint(directory), tmp_path / "out")
    assert not made.identical
    assert made.rounded_constants == 2
    nearest = float(np.float16(3.3e-7))
    assert made.largest_error == pytest.approx(abs(nearest - 3.3e-7) / 3.3e-7, rel=1e-5)
    first = Path(made.modelfile).read_text().splitlines()[0]
    assert first.startswith("# ")
    assert "NOT identical, 2 scales or biases" in first


def test_a_piece_of_a_large_tensor_is_all_that_memory_holds(tmp_path: Path) -> None:
    recipe = synthetic.Recipe("wide", QWEN3_06B, layers=1)
    directory = synthetic.ensure(recipe, tmp_path)
    planned = plan(
        recipe.effective_shape, stored_tensors(directory), checkpoint(directory).quantization
    )
    embedding = planned[0]
    assert embedding.n_bytes > 90_000_000
    tracemalloc.start()
    written = sum(piece.nbytes for piece in pieces(embedding, lambda _: None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written == embedding.n_bytes
    assert peak < 40_000_000
