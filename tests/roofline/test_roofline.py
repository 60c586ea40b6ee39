"""Parameters, bytes and memory from a shape: worked by hand, and against published sizes."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from mlxbench.records import Shape
from mlxbench.registry import load
from mlxbench.roofline import (
    Parameters,
    active_bytes,
    fits,
    kv_bytes_per_token,
    parameters,
    predicted_memory_bytes,
    shape_from_config,
    weight_bytes,
)

GB = 1e9
KIB = 1024
GIB = 2**30

# Small enough to work by hand. Per layer: attention 2·64·128 (query, output) + 2·64·64 (key, value)
# = 24,576; feed-forward 3·64·128 = 24,576; norms 2·64 + 2·64 = 256. One final norm of 64.
DENSE = Shape(
    model_type="qwen3",
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=64,
    intermediate_size=128,
    vocab_size=100,
    tie_word_embeddings=True,
)
UNTIED = replace(DENSE, tie_word_embeddings=False)
# The same with 8 experts of width 64, 2 per token: one expert is 3·64·64 = 12,288, a router 64·8.
MIXTURE = replace(
    UNTIED,
    model_type="qwen3_moe",
    num_experts=8,
    num_experts_per_tok=2,
    moe_intermediate_size=64,
)


def shape_of(name: str) -> Shape:
    shape = load()[name].shape
    assert shape is not None
    return shape


# ---- worked by hand -----------------------------------------------------------------------------


def test_a_tied_dense_model_uses_every_weight_for_every_token() -> None:
    # 2·(24,576 + 24,576 + 256) + 64 + embedding 6,400
    assert parameters(DENSE) == Parameters(total=105_280, active=105_280)


def test_an_untied_embedding_is_stored_twice_and_used_as_one_row() -> None:
    # stored: one more matrix of 6,400; used: the head's 6,400 and one row of 64
    assert parameters(UNTIED) == Parameters(total=111_680, active=105_344)


def test_a_mixture_stores_every_expert_and_uses_the_chosen_ones_and_the_whole_router() -> None:
    # stored: 2·(24,576 + 8·12,288 + 512 + 256) + 64 + 12,800
    # used:   2·(24,576 + 2·12,288 + 512 + 256) + 64 + 6,400 + 64
    assert parameters(MIXTURE) == Parameters(total=260_160, active=106_368)


def test_a_mixtures_dense_width_belongs_to_no_layer() -> None:
    wide = replace(MIXTURE, intermediate_size=1_000_000 * 64)
    assert parameters(wide) == parameters(MIXTURE)


def test_four_bit_weights_cost_four_and_a_half_bits_and_norms_two_bytes() -> None:
    # matrices 2·49,152 + 6,400 = 104,704 at 4.5 bits = 58,896 bytes; norms 576·2 = 1,152
    assert weight_bytes(DENSE) == 58_896 + 1_152
    assert active_bytes(DENSE) == weight_bytes(DENSE)
    # one row of 64 costs 36 bytes, the second matrix of 6,400 costs 3,600
    assert weight_bytes(UNTIED) - weight_bytes(DENSE) == 3_600
    assert active_bytes(UNTIED) - active_bytes(DENSE) == 36


def test_four_byte_scales_make_five_bits_per_weight() -> None:
    # 104,704 at 5 bits = 65,440 bytes; norms follow the scales: 576·4 = 2,304
    assert weight_bytes(DENSE, scale_bytes=4) == 65_440 + 2_304


def test_routers_are_quantised_apart() -> None:
    # two routers of 512 weights: 8.5 bits = 544 bytes each, 4.5 bits = 288
    assert weight_bytes(MIXTURE) - weight_bytes(MIXTURE, router_bits=4) == 2 * (544 - 288)
    assert active_bytes(MIXTURE) - active_bytes(MIXTURE, router_bits=4) == 2 * (544 - 288)


def test_a_smaller_group_costs_more_scales() -> None:
    # 104,704 weights in groups of 32: 4 + 32/32 = 5 bits
    assert weight_bytes(DENSE, group_size=32) == 65_440 + 1_152


def test_a_token_leaves_a_key_and_a_value_in_every_layer() -> None:
    # 2 · 2 layers · 1 head · 64 = 256 values
    assert kv_bytes_per_token(DENSE) == 512
    assert kv_bytes_per_token(DENSE, cache_bytes=4) == 1_024
    # 8 bits plus 2·16 bits for each 64 values = 8.5 bits
    assert kv_bytes_per_token(DENSE, kv_bits=8) == 272
    assert kv_bytes_per_token(DENSE, kv_bits=4, kv_group_size=32) == 160


def test_memory_is_weights_and_whole_cache_steps_and_a_tenth() -> None:
    assert predicted_memory_bytes(1_000, 10, tokens=0) == 1_100
    assert predicted_memory_bytes(1_000, 10, tokens=1) == 3_916  # 256 tokens: 3,560 · 1.1
    assert predicted_memory_bytes(1_000, 10, tokens=256) == 3_916
    assert predicted_memory_bytes(1_000, 10, tokens=257) == 6_732  # 512 tokens: 6,120 · 1.1
    assert predicted_memory_bytes(1_000, 10, tokens=256, batch_size=3) == 9_548
    assert predicted_memory_bytes(1, 0, tokens=0) == 2  # 1.1, rounded up


def test_exactly_as_much_as_there_is_fits() -> None:
    assert fits(100, 100)
    assert not fits(101, 100)


# ---- published sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params_b", "active_gb", "file_gb", "kv_kib"),
    [
        ("qwen3-0.6b", 0.596, 0.335, 0.335, 112),
        ("qwen3-1.7b", 1.721, 0.968, 0.968, 112),
        ("qwen3-4b", 4.022, 2.263, 2.263, 144),
        ("qwen3-8b", 8.191, 4.258, 4.61, 144),
        ("qwen3-14b", 14.77, 7.870, 8.31, 160),
        ("qwen3-32b", 32.76, 17.99, 18.43, 256),
        ("qwen3-30b-a3b", 30.53, 1.718, 17.18, 96),
        ("qwen3-235b-a22b", 235.1, 12.16, 132.3, 188),
    ],
)
def test_the_published_table_of_sizes_is_reproduced(
    name: str, params_b: float, active_gb: float, file_gb: float, kv_kib: int
) -> None:
    shape = shape_of(name)
    assert rounded_like(parameters(shape).total / GB, params_b) == params_b
    assert rounded_like(active_bytes(shape) / GB, active_gb) == active_gb
    assert rounded_like(weight_bytes(shape) / GB, file_gb) == file_gb
    assert kv_bytes_per_token(shape) == kv_kib * KIB


def rounded_like(value: float, printed: float) -> float:
    """Round to four significant digits, or to the three that some figures are printed with."""
    digits = min(4, len(str(printed).replace(".", "").lstrip("0")))
    return float(f"{value:.{digits}g}")


def test_real_checkpoints_have_exactly_the_predicted_tensor_bytes() -> None:
    # Sizes that public records give for mlx-community's builds of April 2025, when routers still
    # had 4 bits.
    assert weight_bytes(shape_of("qwen3-32b")) == 18_429_667_328
    assert weight_bytes(shape_of("qwen3-30b-a3b"), router_bits=4) == 16_772_092 * KIB


# ---- what fits where ----------------------------------------------------------------------------


def working_set(memory_gib: int) -> int:
    """Two thirds of a small Mac's memory and three quarters of a large one's, as Metal advises."""
    return memory_gib * GIB * 2 // 3 if memory_gib <= 36 else memory_gib * GIB * 3 // 4


# Needed GB worked apart from this code, from the table above: 1.1 · (file + KV · tokens · batch).
FITTING = [
    # memory, model, weight bits, tokens, batch, KV bits, needed GB, fits
    (8, "0.6b", 4, 640, 1, None, 0.47, True),
    (8, "4b", 4, 640, 1, None, 2.61, True),
    (8, "4b", 4, 20000, 1, None, 5.77, False),
    (8, "8b", 4, 640, 1, None, 5.19, True),
    (16, "8b", 4, 640, 1, None, 5.19, True),
    (16, "8b", 4, 32768, 1, None, 10.38, True),
    (16, "8b", 8, 640, 1, None, 9.70, True),
    (16, "14b", 4, 640, 1, None, 9.28, True),
    (16, "14b", 4, 16384, 1, None, 12.09, False),
    (24, "14b", 4, 32768, 1, None, 15.04, True),
    (24, "30b-a3b", 4, 640, 1, None, 18.98, False),
    (24, "32b", 4, 640, 1, None, 20.49, False),
    (32, "30b-a3b", 4, 640, 1, None, 18.98, True),
    (32, "30b-a3b", 4, 32768, 1, None, 22.44, True),
    (32, "32b", 4, 640, 1, None, 20.49, True),
    (32, "32b", 4, 8192, 1, None, 22.64, True),
    (48, "32b", 4, 32768, 1, None, 29.72, True),
    (48, "32b", 4, 65536, 1, None, 39.17, False),
    (48, "32b", 4, 65536, 1, 4, 25.59, True),
    (48, "32b", 8, 640, 1, None, 38.51, True),
    (64, "30b-a3b", 4, 131072, 1, None, 33.07, True),
    (64, "30b-a3b", 4, 8192, 64, None, 75.59, False),
    (96, "32b", 4, 131072, 1, None, 58.07, True),
    (128, "235b-a22b", 4, 640, 1, None, 145.66, False),
    (192, "235b-a22b", 4, 640, 1, None, 145.66, True),
    (256, "235b-a22b", 4, 131072, 1, None, 173.25, True),
    (256, "235b-a22b", 8, 640, 1, None, 274.94, False),
    (512, "235b-a22b", 8, 640, 1, None, 274.94, True),
    (512, "235b-a22b", 8, 32768, 32, None, 496.82, False),
    (512, "235b-a22b", 4, 131072, 8, 8, 263.46, True),
]


@pytest.mark.parametrize(
    ("memory", "model", "bits", "tokens", "batch", "kv_bits", "needed_gb", "expected"), FITTING
)
def test_a_model_is_refused_exactly_where_it_does_not_fit(
    memory: int,
    model: str,
    bits: int,
    tokens: int,
    batch: int,
    kv_bits: int | None,
    needed_gb: float,
    expected: bool,
) -> None:
    shape = shape_of(f"qwen3-{model}")
    needed = predicted_memory_bytes(
        weight_bytes(shape, bits=bits), kv_bytes_per_token(shape, kv_bits), tokens, batch
    )
    assert needed / GB == pytest.approx(needed_gb, rel=1e-3, abs=0.01)
    assert fits(needed, working_set(memory)) is expected


# ---- from config.json ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [DENSE, UNTIED, MIXTURE])
def test_a_shape_survives_its_own_config(shape: Shape) -> None:
    assert shape_from_config({**asdict(shape), "rope_theta": 1e6}) == shape


def test_a_dense_configs_expert_fields_are_ignored() -> None:
    assert shape_from_config({**asdict(DENSE), "num_experts": 128}) == DENSE


def test_the_text_part_of_a_larger_config_is_read() -> None:
    config = {"model_type": "some_vision_model", "text_config": asdict(MIXTURE)}
    assert shape_from_config(config) == MIXTURE


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"model_type": "qwen3_next"},
        {"model_type": None},
        {"model_type": ["qwen3_moe"]},
        {"hidden_size": None},
        {"hidden_size": "64"},
        {"head_dim": 0},
        {"num_hidden_layers": True},
        {"num_experts": -8},
        {"tie_word_embeddings": None},
        {"mlp_only_layers": [0]},
        {"decoder_sparse_step": 2},
        {"text_config": {}},
    ],
)
def test_a_config_that_the_formulas_do_not_describe_gives_no_shape(
    changes: dict[str, object],
) -> None:
    assert shape_from_config({**asdict(MIXTURE), **changes}) is None


def test_a_mixture_whose_every_layer_is_sparse_gives_its_shape() -> None:
    config = {**asdict(MIXTURE), "mlp_only_layers": [], "decoder_sparse_step": 1}
    assert shape_from_config(config) == MIXTURE
