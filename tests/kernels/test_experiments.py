"""Every experiment that comes with mlxbench, run for real: right in all cases and types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.lab import msl, quantised
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Inputs, Outputs
from mlxbench.lab.rounding import FORMATS, exact, rounded
from tests.kernels.judging import CLOSELY, FOUND, QUICKLY, checks_for, faults, launchers

NAMES = ["cached_lhs_indices", "gate_up_concat", "moe_experts", "softmax_topk"]
EVERY = [
    pytest.param(found, case, dtype, id=f"{name}-{case.name}-{str(dtype).rpartition('.')[2]}")
    for name, found in FOUND.items()
    for case in (*found.experiment.cases, *found.experiment.edge_cases)
    for dtype in found.experiment.dtypes
]
VIEWS = {"Broadcast", "ExpandDims", "Reshape", "Slice", "Split", "Squeeze", "StopGradient"}


def test_the_experiments_are_found_by_their_folders() -> None:
    assert sorted(FOUND) == NAMES


@pytest.mark.parametrize(("found", "case", "dtype"), EVERY)
def test_it_is_right_against_the_truth(found: Found, case: Case, dtype: mx.Dtype) -> None:
    inputs = found.experiment.make_inputs(case, dtype, 1)
    kernels = launchers(found, checks_for(found, case))
    outputs = found.experiment.run(kernels, inputs, case)
    assert faults(found, case, inputs, outputs) == []


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16, mx.float16])
def test_many_drawn_logits_are_routed_by_the_rule(dtype: mx.Dtype) -> None:
    found = FOUND["softmax_topk"]
    case = Case("many", {**found.experiment.cases[0].sizes, "tokens": 500})
    for seed in range(3):
        inputs = found.experiment.make_inputs(case, dtype, seed)
        outputs = found.experiment.run(launchers(found, QUICKLY), inputs, case)
        assert faults(found, case, inputs, outputs) == []


# One wrong thing in each: a test that such kernels passed would say nothing about ours.
WRONG = {
    "ties go to the lower index": (
        "softmax_topk",
        "softmax_topk",
        "if (key[i] >= best)",
        "if (key[i] > best)",
    ),
    "the last experts are forgotten": (
        "softmax_topk",
        "softmax_topk",
        "key[i] = expert < E ? bits + 1u : 0u",
        "key[i] = expert < E / 32 * 32 ? bits + 1u : 0u",
    ),
    "not renormalised": (
        "softmax_topk",
        "softmax_topk",
        "NORM ? kept / simd_sum(kept) : kept",
        "kept",
    ),
    "up of the neighbour's group": (
        "moe_experts",
        "moe_gate_up",
        "up_scales[group]",
        "up_scales[row * GROUPS]",
    ),
    "words of gate for up": (
        "moe_experts",
        "moe_gate_up",
        "word_dot(u.x, part)",
        "word_dot(g.x, part)",
    ),
    "no bias": (
        "moe_experts",
        "moe_down",
        "total[r] += static_cast<float>(down_biases[group]) * sum;",
        "",
    ),
    "scores left out": ("moe_experts", "moe_down", "column + i] * score", "column + i]"),
    "first expert only": (
        "moe_experts",
        "moe_down",
        "slot < K; slot += SIMDS",
        "slot < 1; slot += SIMDS",
    ),
    "activation rounded to bf16": (
        "moe_experts",
        "moe_gate_up",
        "metal::precise::exp(-g)) * u;",
        "metal::precise::exp(-g)) * static_cast<float>(static_cast<bfloat16_t>(u));",
    ),
    "rows written twice": (
        "moe_experts",
        "moe_gate_up",
        "uint first = block * ROWS;",
        "uint first = block / 2 * ROWS;",
    ),
    "no barrier": (
        "moe_experts",
        "moe_down",
        "threadgroup_barrier(mem_flags::mem_threadgroup);",
        "",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kernel_does_not_pass(wrong: str) -> None:
    name, kernel, *edit = WRONG[wrong]
    found, dtype = FOUND[name], mx.float32
    old, new = edit
    kernels = launchers(found, CLOSELY, **{kernel: (old, new)})
    experiment = found.experiment
    cases = [
        case
        for case in (*experiment.cases, *experiment.edge_cases)
        if case.sizes.get("hidden", 0) < 512
    ]
    for case in cases:
        inputs = experiment.make_inputs(case, dtype, 1)
        try:
            outputs = experiment.run(kernels, inputs, case)
        except msl.KernelError:
            return
        if faults(found, case, inputs, outputs):
            return
    pytest.fail("nothing was noticed")


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_the_same_for_the_same_seed_only(name: str) -> None:
    experiment = FOUND[name].experiment
    case = experiment.cases[-1]
    first, again, other = (experiment.make_inputs(case, mx.bfloat16, seed) for seed in (1, 1, 2))
    assert all(mx.array_equal(first[key], again[key]).item() for key in first)
    assert not all(mx.array_equal(first[key], other[key]).item() for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_baselines_are_right_too(name: str) -> None:
    found = FOUND[name]
    case = found.experiment.cases[2]
    inputs = found.experiment.make_inputs(case, mx.float32, 1)
    for baseline in found.experiment.baselines.values():
        outputs = baseline(inputs, case)
        if found.experiment.tolerances[0].exact:  # the slots' order is the backend's
            outputs = _by_index(outputs)
            found_truth = _by_index(tuple(map(mx.array, found.experiment.reference(inputs, case))))
            assert mx.array_equal(outputs[0], found_truth[0]).item()
            assert mx.allclose(outputs[1], found_truth[1]).item()
        else:
            assert faults(found, case, inputs, outputs) == []


def _by_index(outputs: Outputs) -> Outputs:
    indices, scores = outputs
    order = mx.argsort(indices, axis=-1)
    return mx.take_along_axis(indices, order, axis=-1), mx.take_along_axis(scores, order, axis=-1)


# ---- what they say of themselves -----------------------------------------------------------------


def launched(
    function: Callable[[Inputs, Case], Outputs], inputs: Inputs, case: Case
) -> Counter[str]:
    """The operations of a function that launch something, by their names in mlx."""
    mx.eval(list(inputs.values()))
    function(inputs, case)  # what is kept from call to call is made here
    names: list[str] = []

    def note(record: dict[str, Any]) -> None:
        if record.get("type") == "primitive":
            names.append(record["name"])

    def positional(*arrays: mx.array) -> Outputs:
        return function(dict(zip(inputs, arrays, strict=True)), case)

    mx.export_function(note, positional, *inputs.values())
    return Counter(name for name in names if name not in VIEWS)


def test_stock_launches_what_the_experiments_say() -> None:
    counts = {}
    for name, found in FOUND.items():
        case = found.experiment.cases[1]
        inputs = found.experiment.make_inputs(case, mx.float32, 0)
        counts[name] = launched(found.experiment.stock, inputs, case)
    swiglu = {"Sigmoid": 1, "Multiply": 2}  # mlx-lm compiles these three into one
    experts = Counter(Arange=3, GatherQMM=3, Multiply=1, Reduce=1) + Counter(swiglu)
    assert counts["moe_experts"] == experts
    assert counts["softmax_topk"] == Counter(
        Softmax=1, ArgPartition=1, GatherAxis=1, Reduce=1, Divide=1
    )
    assert {name: found.experiment.launches[0] for name, found in FOUND.items()} == {
        "moe_experts": experts.total() - len(swiglu),
        **{name: counts[name].total() for name in NAMES if name != "moe_experts"},
    }


@pytest.mark.parametrize("name", ["gate_up_concat", "cached_lhs_indices"])
def test_tricks_launch_what_they_say(name: str) -> None:
    experiment = FOUND[name].experiment
    case = experiment.cases[1]
    inputs = experiment.make_inputs(case, mx.float32, 0)
    counted = launched(lambda inputs, case: experiment.run({}, inputs, case), inputs, case)
    assert counted.total() == experiment.launches[1]


def test_tricks_give_the_very_bits_of_stock_on_this_backend() -> None:
    for name in ("gate_up_concat", "cached_lhs_indices"):
        experiment = FOUND[name].experiment
        for case in experiment.cases[1:]:
            for dtype in experiment.dtypes:
                inputs = experiment.make_inputs(case, dtype, 3)
                pairs = zip(
                    experiment.run({}, inputs, case), experiment.stock(inputs, case), strict=True
                )
                assert all(mx.array_equal(ours, usual).item() for ours, usual in pairs)


def test_bytes_moved_count_the_chosen_experts_once() -> None:
    experiment = FOUND["moe_experts"].experiment
    # 8 experts of 3 · 2048 · 768 weights at 4.5 bits each; x and y in bf16; 8 indices and scores
    assert experiment.bytes_moved(experiment.cases[0], mx.bfloat16) == (
        8 * 3 * 2048 * 768 * 9 // 16 + 2 * 2048 * 2 + 8 * (4 + 2)
    )
    router = FOUND["softmax_topk"].experiment
    assert router.bytes_moved(router.cases[0], mx.bfloat16) == 128 * 2 + 8 * (4 + 2)


# ---- what references stand on --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_rounding_is_that_of_mlx(dtype: mx.Dtype) -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal(10_000) * 10.0 ** random.integers(-6, 4, 10_000)
    single = values.astype(np.float32)
    assert np.array_equal(
        rounded(single.astype(np.float64), dtype), exact(mx.array(single).astype(dtype))
    )
    halfway = 1 + 2.0 ** -FORMATS[dtype][0]
    assert rounded(np.array([halfway, halfway + 2.0**-40]), dtype).tolist() == [
        1,
        1 + 2 * (halfway - 1),
    ]


def test_products_of_experts_are_those_of_their_dequantised_weights() -> None:
    random = np.random.default_rng(0)
    experts = quantised.random_experts(random, 3, 8, 128, mx.float32)
    weights = np.array(mx.dequantize(*experts, group_size=64, bits=4)).astype(np.float64)
    x = random.standard_normal((4, 128))
    chosen = np.array([2, 0, 2, 1])
    products, magnitudes = quantised.dot(experts, chosen, x)
    expected = np.einsum("noi,ni->no", weights[chosen], x)
    assert np.allclose(products, expected, rtol=0, atol=1e-6)
    assert (magnitudes >= np.einsum("noi,ni->no", np.abs(weights[chosen]), np.abs(x)) - 1e-6).all()
    deviation = np.sqrt(np.einsum("noi,ni->no", weights[chosen] ** 2, x**2))
    assert np.allclose(quantised.spread(experts, chosen, x), deviation)


def test_drawn_experts_multiply_like_normalised_weights() -> None:
    experts = quantised.random_experts(np.random.default_rng(0), 2, 64, 512, mx.float32)
    weights = np.array(mx.dequantize(*experts, group_size=64, bits=4))
    assert 0.8 < weights.var() * 512 < 1.6
