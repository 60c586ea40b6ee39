"""Bytes of a checkpoint by what it says of each module; and of a Q4_K_M file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench import checkpoints, registry, roofline
from mlxbench.records import Checkpoint, Shape
from mlxbench.roofline import checkpoint_bytes, q4_k_m_active_bytes, read_bytes, value_bytes
from tests.roofline.test_roofline import DENSE, MIXTURE, UNTIED

FOUR_BIT = {"bits": 4, "group_size": 64}
EIGHT_BIT = {"bits": 8, "group_size": 64}
ROUTERS = {f"model.layers.{layer}.mlp.gate": EIGHT_BIT for layer in range(2)}


@pytest.mark.parametrize("shape", [DENSE, UNTIED, MIXTURE])
@pytest.mark.parametrize("width", [2, 4])
def test_the_usual_build_has_the_bytes_that_its_shape_says(shape: Shape, width: int) -> None:
    found = read_bytes(shape, {"": FOUR_BIT, **ROUTERS}, width)
    assert found.stored == roofline.weight_bytes(shape, scale_bytes=width)
    assert found.active == roofline.active_bytes(shape, scale_bytes=width)


def test_a_module_with_settings_of_its_own_is_counted_by_them() -> None:
    # One down projection of 64·128 = 8,192 weights: 8.5 bits instead of 4.5 are 4,096 bytes more.
    mixed = {"": FOUR_BIT, "model.layers.1.mlp.down_proj": EIGHT_BIT}
    plain = read_bytes(DENSE, {"": FOUR_BIT})
    assert read_bytes(DENSE, mixed).stored - plain.stored == 4_096
    assert read_bytes(DENSE, mixed).active - plain.active == 4_096


def test_of_an_expert_with_wider_weights_only_the_chosen_are_read() -> None:
    # 8 experts of 64·64 = 4,096 weights, 2 of them per token: 4 bits more are 2,048 bytes each.
    mixed = {"": FOUR_BIT, "model.layers.0.mlp.switch_mlp.up_proj": EIGHT_BIT}
    plain = read_bytes(MIXTURE, {"": FOUR_BIT})
    assert read_bytes(MIXTURE, mixed).stored - plain.stored == 8 * 2_048
    assert read_bytes(MIXTURE, mixed).active - plain.active == 2 * 2_048


def test_a_module_that_is_not_quantised_keeps_its_two_bytes() -> None:
    # 6,400 weights of the tied embedding: 16 bits instead of 4.5 are 1.4375 bytes each.
    kept = {"": FOUR_BIT, "model.embed_tokens": False}
    assert read_bytes(DENSE, kept).stored - read_bytes(DENSE, {"": FOUR_BIT}).stored == 9_200
    # And without any settings all 105,280 parameters have two.
    assert read_bytes(DENSE, {}).stored == 210_560


def test_a_float_format_has_one_byte_per_group_and_no_bias() -> None:
    # 104,704 weights at 4 bits and a byte for each of 3,272 groups of 32; norms 576 of 2 bytes
    settings = {"": {"bits": 4, "group_size": 32, "mode": "mxfp4"}}
    assert read_bytes(DENSE, settings).stored == 52_352 + 3_272 + 1_152


@pytest.mark.parametrize("made", ["tiny_dense", "tiny_moe"])
def test_a_real_checkpoints_headers_agree(made: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(made)
    checkpoint = checkpoints.inspect(directory, made, "directory")
    assert checkpoint.shape is not None
    assert value_bytes(checkpoint) == 4  # made with f32 scales, for the CPU
    found = checkpoint_bytes(checkpoint)
    assert found is not None
    assert found.stored == checkpoint.weight_bytes
    assert found.stored == read_bytes(checkpoint.shape, checkpoint.quantization, 4).stored
    assert found.active == roofline.active_bytes(checkpoint.shape, scale_bytes=4)


def test_tensors_that_the_shape_does_not_explain_give_no_figure() -> None:
    whole = roofline.weight_bytes(DENSE)
    usual = Checkpoint("a", "directory", ".", weight_bytes=whole, quantization={"": FOUR_BIT})
    known = replace(usual, shape=DENSE)
    assert checkpoint_bytes(known) is not None
    assert checkpoint_bytes(usual) is None
    assert checkpoint_bytes(replace(known, weight_bytes=round(whole * 1.02))) is None
    assert checkpoint_bytes(replace(known, weight_bytes=None)) is None


def test_a_q4_k_m_token_reads_mixed_blocks_and_unquantised_routers() -> None:
    # Per layer: query, output 8,192 each and key 4,096 and two experts' gates and ups 16,384, all
    # at 4.5 bits; values 4,096 and downs 8,192 at 5.53125; router 512 and norms 256 at 32.
    layer = (36_864 * 4.5 + 12_288 * 5.53125 + 768 * 32) / 8
    head = 6_400 * 6.5625 / 8
    row_and_norm = 64 * 36.5 / 8
    assert q4_k_m_active_bytes(MIXTURE) == round(2 * layer + head + row_and_norm)


def test_a_q4_k_m_token_of_the_30b_reads_about_two_gigabytes_not_eighteen() -> None:
    shape = registry.load()["qwen3-30b-a3b"].shape
    assert shape is not None
    assert q4_k_m_active_bytes(shape) == pytest.approx(1.92e9, rel=0.005)
