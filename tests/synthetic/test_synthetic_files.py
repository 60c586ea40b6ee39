"""Synthetic checkpoints on disk: sizes, bytes, headers, names."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxbench.errors import InputError
from mlxbench.records import Shape
from mlxbench.synthetic import Recipe, ensure, is_synthetic, shards, size_bytes
from mlxbench.synthetic.layout import affine_constants, tensors
from mlxbench.synthetic.recipe import ScaleType
from tests.synthetic.shapes import (
    DENSE,
    MOE,
    QWEN3_06B,
    QWEN3_30B,
    QWEN3_235B,
    TINY,
    contents,
    weight_bytes,
)

# A change of these bytes needs a new FORMAT in `recipe.py`, so that no cache serves the old ones.
TINY_WEIGHTS_SHA256 = "83d5c1313dea05bb5151da8d96c27b9d736b50dc4abe97024682f46f2ad81710"


@pytest.mark.parametrize("scales", ["bf16", "f32"])
@pytest.mark.parametrize("shape", [DENSE, MOE, replace(DENSE, tie_word_embeddings=True)])
def test_the_predicted_size_is_what_is_written(
    tmp_path: Path, shape: Shape, scales: ScaleType
) -> None:
    recipe = Recipe("some", shape, scales=scales)
    assert weight_bytes(ensure(recipe, tmp_path)) == size_bytes(recipe)


@pytest.mark.parametrize(
    ("shape", "gigabytes"), [(QWEN3_06B, 0.335), (QWEN3_30B, 17.18), (QWEN3_235B, 132.3)]
)
def test_sizes_agree_with_the_published_builds(shape: Shape, gigabytes: float) -> None:
    assert size_bytes(Recipe("real", shape)) / 1e9 == pytest.approx(gigabytes, rel=2e-3)


def test_no_shard_is_larger_than_four_gib() -> None:
    planned = shards.plan(tensors(QWEN3_235B, "BF16"))
    assert len(planned) > 30
    assert all(shard.n_bytes <= 4 << 30 for shard in planned)
    names = [tensor.name for shard in planned for tensor in shard.tensors]
    assert len(set(names)) == len(names)


def test_headers_describe_every_byte_and_the_index_every_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 1_000_000)
    directory = ensure(Recipe("tiny-moe", MOE), tmp_path)
    index = json.loads((directory / shards.INDEX_FILE).read_text())
    seen: dict[str, str] = {}
    total = 0
    for path in directory.glob("*.safetensors"):
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        assert length % 8 == 0
        header = json.loads(content[8 : 8 + length])
        assert header.pop("__metadata__") == {"format": "mlx"}
        spans = sorted(entry["data_offsets"] for entry in header.values())
        assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
        assert spans[-1][1] == len(content) - 8 - length
        total += spans[-1][1]
        seen |= dict.fromkeys(header, path.name)
    assert len(set(seen.values())) > 3
    assert index == {"metadata": {"total_size": total}, "weight_map": seen}


def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    here = ensure(TINY, tmp_path / "here")
    context = multiprocessing.get_context("spawn")
    maker = context.Process(target=ensure, args=(TINY, tmp_path / "there"))
    maker.start()
    maker.join()
    assert contents(tmp_path / "there" / "synthetic" / here.name) == contents(here)
    assert hashlib.sha256(contents(here)["model.safetensors"]).hexdigest() == TINY_WEIGHTS_SHA256


def test_the_size_of_a_chunk_does_not_decide_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ensure(TINY, tmp_path / "usual")
    monkeypatch.setattr(shards, "CHUNK_BYTES", 1024)
    assert contents(ensure(TINY, tmp_path / "small")) == contents(usual)


def test_everything_that_decides_the_content_is_in_the_name(tmp_path: Path) -> None:
    recipes = [
        TINY,
        replace(TINY, layers=2),
        replace(TINY, scales="bf16"),
        replace(TINY, seed=1),
        replace(TINY, shape=replace(DENSE, tie_word_embeddings=True)),
        replace(TINY, name="hf:owner/other"),
    ]
    names = [recipe.directory_name for recipe in recipes]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert names[1].startswith("tiny-dense-2layers-f32-")
    weights = [contents(ensure(recipe, tmp_path))["model.safetensors"] for recipe in recipes[:5]]
    assert len(set(weights)) == len(weights)


def test_an_override_of_layers_changes_their_number_alone(tmp_path: Path) -> None:
    full, fewer = (
        json.loads((ensure(replace(TINY, layers=layers), tmp_path) / "config.json").read_text())
        for layers in (None, 2)
    )
    assert fewer.pop("mlxbench_synthetic")["recipe"].pop("layers") == 2
    assert full.pop("mlxbench_synthetic")["recipe"].pop("layers") is None
    assert fewer == full | {"num_hidden_layers": 2}


def test_the_configuration_says_that_the_checkpoint_is_synthetic(tmp_path: Path) -> None:
    config = json.loads((ensure(Recipe("tiny-moe", MOE), tmp_path) / "config.json").read_text())
    assert is_synthetic(config)
    assert config["mlxbench_synthetic"]["recipe"]["name"] == "tiny-moe"
    assert not is_synthetic({"model_type": "qwen3_moe"})
    assert config["quantization"]["model.layers.3.mlp.gate"] == {"group_size": 64, "bits": 8}
    assert config["quantization"] == config["quantization_config"]


def test_scale_and_bias_are_worked_by_hand() -> None:
    # 1/sqrt(255/12) = 0.21693 = 1.7354/8, to eighths 1.75/8; 7.5 of them is the bias.
    assert affine_constants(1.0, bits=4) == (0.21875, -1.640625)
    # 1/sqrt(65535/12) = 0.013532 = 1.7321/128, to a power of two 2/128; 127.5 of them is the bias.
    assert affine_constants(1.0, bits=8) == (0.015625, -1.9921875)


@pytest.mark.parametrize("shape", [DENSE, MOE, QWEN3_06B, QWEN3_30B, QWEN3_235B])
def test_every_constant_is_exact_in_bf16(shape: Shape) -> None:
    fills = {tensor.fill for tensor in tensors(shape, "BF16") if isinstance(tensor.fill, float)}
    assert len(fills) > 5
    assert all(struct.pack(">f", fill)[2:] == b"\0\0" for fill in fills)
    assert all(struct.unpack(">f", struct.pack(">f", fill))[0] == fill for fill in fills)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("layers", {"layers": 0}),
        ("seed", {"seed": -1}),
        ("hidden_size", {"shape": replace(DENSE, hidden_size=100)}),
        ("experts", {"shape": replace(MOE, num_experts_per_tok=17)}),
        ("experts", {"shape": replace(DENSE, num_experts=8)}),
        ("vocabulary", {"shape": replace(DENSE, vocab_size=100)}),
        ("model_type", {"shape": replace(DENSE, model_type="llama")}),
    ],
)
def test_an_impossible_recipe_is_refused(name: str, problem: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=name):
        replace(TINY, **problem)
