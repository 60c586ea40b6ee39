"""Kernels per token: counted in the graph, alike for a config and for a loaded checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlxbench import checkpoints, registry
from mlxbench.engines.mlx import load, stand_ins
from mlxbench.engines.mlx.tracing import (
    Counted,
    config_of,
    count_kernels,
    count_model,
    hollow_model,
)
from mlxbench.errors import CheckpointError
from mlxbench.records import Shape

FOUR_BIT: dict[str, Any] = {"": {"bits": 4, "group_size": 64}}
# The step around the layers: three gathers and a dequantisation of the embedding, the last norm,
# the head; then logsumexp, its subtraction and the argmax.
AROUND_THE_LAYERS = 9
ATTENTION_PART = {
    "RMSNorm": 3,  # the layer's, and those of queries and keys
    "QuantizedMatmul": 4,
    "RoPE": 2,
    "SliceUpdate": 2,
    "ScaledDotProductAttention": 1,
    "Add": 1,
}
DENSE_PART = {"RMSNorm": 1, "QuantizedMatmul": 3, "Compiled": 1, "Add": 1}
MIXTURE_PART = {
    **DENSE_PART,
    "QuantizedMatmul": 1,  # the router
    **dict.fromkeys(("Softmax", "ArgPartition", "GatherAxis", "Divide"), 1),
    **dict.fromkeys(("GatherQMM", "Arange"), 3),
    "Multiply": 1,
    "Sum": 2,  # of the chosen scores, and over the experts
}


def shape_of(name: str) -> Shape:
    shape = registry.load()[name].shape
    assert shape is not None
    return shape


def counted(shape: Shape, context: int = 0, value_bytes: int = 2) -> Counted:
    return count_kernels(config_of(shape, FOUR_BIT, value_bytes), context)


@pytest.mark.parametrize(
    ("name", "feed_forward"), [("tiny-dense", DENSE_PART), ("tiny-moe", MIXTURE_PART)]
)
def test_one_more_layer_adds_exactly_its_kernels(name: str, feed_forward: dict[str, int]) -> None:
    shape = shape_of(name)
    more = counted(replace(shape, num_hidden_layers=shape.num_hidden_layers + 1))
    fewer = counted(shape)
    added = Counter(more.operations) - Counter(fewer.operations)
    assert added == Counter(ATTENTION_PART) + Counter(feed_forward)
    assert sum(more.operations.values()) == more.metal


@pytest.mark.parametrize(
    ("name", "per_layer"), [("qwen3-30b-a3b", 30), ("qwen3-235b-a22b", 30), ("qwen3-32b", 19)]
)
def test_a_mixtures_layer_has_30_kernels_and_a_dense_one_19(name: str, per_layer: int) -> None:
    shape = shape_of(name)
    assert counted(shape).metal == per_layer * shape.num_hidden_layers + AROUND_THE_LAYERS


def test_the_largest_model_is_counted_without_its_weights() -> None:
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    counted(shape_of("qwen3-235b-a22b"))
    assert mx.get_peak_memory() - before < 1_000_000


@pytest.mark.parametrize("made", ["tiny_dense", "tiny_moe"])
def test_a_config_and_the_loaded_checkpoint_give_the_same_counts(
    made: str, request: pytest.FixtureRequest
) -> None:
    directory: Path = request.getfixturevalue(made)
    config = checkpoints.read_config(directory)
    loaded = count_model(load.load(directory))
    assert count_kernels(config) == loaded
    described = checkpoints.inspect(directory, made, "directory")
    assert described.shape is not None
    assert count_kernels(config_of(described.shape, described.quantization, 4)) == loaded


def test_counting_leaves_the_loaded_model_and_mlx_as_they_were(tiny_moe: Path) -> None:
    model = load.load(tiny_moe)
    prompt = mx.array([[5, 6, 7]])
    before = model(prompt)
    kept = (mx.fast.rms_norm, mx.fast.rope, mx.fast.scaled_dot_product_attention, mx.dequantize)
    count_model(model, context=4096)
    now = (mx.fast.rms_norm, mx.fast.rope, mx.fast.scaled_dot_product_attention, mx.dequantize)
    assert now == kept
    assert mx.array_equal(model(prompt), before)


def test_stand_ins_leave_with_the_block_also_when_it_fails() -> None:
    kept = mx.fast.rms_norm
    with pytest.raises(KeyError), stand_ins.stand_ins(Counter()):
        assert mx.fast.rms_norm is not kept
        raise KeyError
    assert mx.fast.rms_norm is kept


def test_a_long_context_takes_a_second_pass_of_attention_in_each_layer() -> None:
    shape = shape_of("tiny-moe")
    short, long = counted(shape, context=1_000), counted(shape, context=5_000)
    assert short.metal == counted(shape).metal
    assert long.metal - short.metal == shape.num_hidden_layers
    assert long.operations["ScaledDotProductAttention"] == 2 * shape.num_hidden_layers


def test_a_head_size_without_a_kernel_falls_to_pieces() -> None:
    # 4 heads of 128 have a kernel; 8 of 32 have not.
    shape = shape_of("tiny-dense")
    fused = counted(replace(shape, head_dim=128))
    pieces = counted(replace(shape, head_dim=32, num_attention_heads=8, num_key_value_heads=8))
    assert "ScaledDotProductAttention" not in pieces.operations
    assert pieces.metal > fused.metal


def test_the_type_of_the_values_changes_no_count_on_metal() -> None:
    shape = shape_of("tiny-moe")
    assert counted(shape, value_bytes=4).metal == counted(shape, value_bytes=2).metal


@pytest.mark.skipif(mx.default_device() != mx.Device(mx.cpu), reason="counts for a CPU")
def test_on_a_cpu_single_kernels_are_many_operations() -> None:
    found = counted(shape_of("tiny-dense"))
    assert found.here > 3 * found.metal


class Step:
    """A model without layers, whose logits are what a function makes of two values."""

    def __init__(self, make: Callable[[mx.array], mx.array]) -> None:
        self.layers: list[Any] = []
        self.make = make

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        return self.make(mx.array([1.0, 2.0]))[None, None]


def test_views_launch_nothing_and_a_concatenation_launches_a_copy_for_each_part() -> None:
    def make(x: mx.array) -> mx.array:
        parts = [x.reshape(2, 1).T.reshape(2), x[1:], mx.broadcast_to(x[:1], (3,))]
        return mx.exp(mx.concatenate(parts))

    found = count_model(Step(make))
    own = {"Concatenate": 3, "Exp": 1}
    assert found.operations == own | {"LogSumExp": 1, "Subtract": 1, "ArgReduce": 1}
    assert found.metal == 7


def test_a_compiled_function_is_one_kernel_whatever_it_fuses() -> None:
    found = count_model(Step(mx.compile(lambda x: mx.exp(x) * x + 1)))
    assert found.operations["Compiled"] == 1
    assert found.metal == 4


def test_a_scatter_copies_before_it_writes() -> None:
    found = count_model(Step(lambda x: x.at[mx.array([0])].add(mx.array([1.0]))))
    assert found.operations["Scatter Sum"] == 2


@pytest.mark.parametrize(
    "config", [{}, {"model_type": "no-such-family"}, {"model_type": "qwen3", "hidden_size": 64}]
)
def test_what_mlx_lm_cannot_build_is_an_error_of_one_line(config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="cannot build") as caught:
        hollow_model(config)
    assert "\n" not in str(caught.value)
