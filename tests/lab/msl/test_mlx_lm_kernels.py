"""mlx-lm's own Metal kernels, unmodified and through their own Python functions.

Each is watched, run in three orders, and compared with the same computation in plain MLX in
float32. Kernels of others need not follow our house rules.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.nn.layers.normalization import RMSNorm
from mlx_lm.tuner import losses

from mlxbench.lab.msl import KernelError, Kind
from tests.lab.msl.mlx_lm_modules import load, on_a_gpu, with_kernels

TOLERANCE = 1e-5  # of the largest value
TESTED = {
    "kernels.expert_routing",
    "kernels.norm_add_norm",
    "kernels.post_expert_norm_combine",
    "kernels.qk_norm",
    "kernels.qk_norm_rope",
    "kernels.rms_norm_sigmoid_gate",
    "models.bitlinear_layers",
    "models.deepseek_v41",
    "models.gated_delta",
    "models.kimi_k3",
    "models.rwkv7",
    "models.ssm",
    "tuner.losses",
}
EPS = 1e-6


def test_no_module_with_kernels_is_left_out() -> None:
    assert with_kernels() == TESTED


def normal(*shape: int, seed: int = 0) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed + sum(shape)))


def assert_close(got: Any, expected: mx.array) -> None:
    assert got.shape == expected.shape
    error = np.array(mx.abs(got - expected).max() / mx.abs(expected).max())
    assert error <= TOLERANCE


def head_norms(qkvg: mx.array) -> tuple[mx.array, mx.array]:
    """q and k of 4 and 2 heads of 64, normed; q scaled by an eighth."""
    heads = qkvg.reshape(*qkvg.shape[:-1], 12, 64)
    normed = mx.fast.rms_norm(heads[..., :6, :], None, EPS)
    return normed[..., :4, :] * 0.125, normed[..., 4:, :]


def test_qk_norm() -> None:
    qkvg = normal(2, 3, 12 * 64)
    got = load("kernels.qk_norm").qk_norm(
        qkvg, n_heads=4, n_kv_heads=2, head_dim=64, eps=EPS, query_scale=0.125
    )
    for one, expected in zip(got, head_norms(qkvg), strict=True):
        assert_close(one, expected)


@pytest.mark.parametrize("offset", [5, [5, 9]])
def test_qk_norm_rope(offset: int | list[int]) -> None:
    qkvg = normal(2, 3, 12 * 64)
    at = mx.array(offset) if isinstance(offset, list) else offset
    got = load("kernels.qk_norm_rope").qk_norm_rope(
        qkvg, n_heads=4, n_kv_heads=2, head_dim=64, eps=EPS, query_scale=0.125,
        rope_base=10000.0, offset=at,
    )  # fmt: skip
    for one, normed in zip(got, head_norms(qkvg), strict=True):
        by_head = normed.transpose(0, 2, 1, 3)
        turned = mx.fast.rope(by_head, 64, traditional=True, base=10000.0, scale=1.0, offset=at)
        assert_close(one, turned.transpose(0, 2, 1, 3))


def test_expert_routing() -> None:
    logits, bias = normal(3, 100), normal(100)
    inds, weights = load("kernels.expert_routing").expert_routing(
        logits, bias, top_k=8, multiplier=1.5, score_eps=1e-20, route_scale=2.5
    )
    scores = mx.sigmoid(logits * 1.5)
    best = mx.argsort(-(scores + bias), axis=-1)[:, :8]
    chosen = mx.take_along_axis(scores, best, axis=-1)
    assert mx.array_equal(inds, best)
    assert_close(weights, chosen / chosen.sum(-1, keepdims=True) * 2.5)


def test_post_expert_norm_combine() -> None:
    experts, weights, norm = normal(3, 8, 1024), normal(3, 8), normal(1024)
    got = load("kernels.post_expert_norm_combine").post_expert_norm_combine(
        experts, weights, norm_weight=norm, eps=EPS
    )
    normed = mx.fast.rms_norm(experts * norm, None, EPS)
    assert_close(got, (normed * weights[..., None]).sum(axis=-2))


def test_rms_norm_sigmoid_gate_with_a_transposed_input() -> None:
    x, gate = normal(2, 5, 4, 64).transpose(0, 2, 1, 3), normal(2, 5, 256)
    got = load("kernels.rms_norm_sigmoid_gate").rms_norm_sigmoid_gate(x, gate, eps=EPS)
    normed = mx.fast.rms_norm(x, None, EPS).transpose(0, 2, 1, 3).reshape(2, 5, 256)
    assert_close(got, normed * mx.sigmoid(gate))


@pytest.mark.parametrize("with_scale", [True, False])
def test_norm_add_norm_and_its_parts(with_scale: bool) -> None:
    branch, stream = normal(3, 520), normal(3, 520, seed=1)
    alpha, beta, post = (normal(520, seed=seed) for seed in (2, 3, 4))
    norm = RMSNorm(520, eps=EPS)
    norm.weight = normal(520, seed=5)
    module = load("kernels.norm_add_norm")
    options: dict[str, Any] = {
        "alpha": alpha, "beta": beta, "post_weight": post if with_scale else None, "post_eps": EPS,
    }  # fmt: skip
    branched = mx.fast.rms_norm(branch * post if with_scale else branch, None, EPS)
    expected = alpha * stream + beta * branched
    got, normed = module.norm_add_norm(branch, stream, next_norm=norm, **options)
    assert_close(got, expected)
    assert_close(normed, norm(expected))
    if with_scale:
        alone, nothing = module.norm_add_norm(branch, stream, next_norm=None, **options)
        assert nothing is None
        assert mx.array_equal(alone, got)
        assert mx.array_equal(module.pre_norm(got, norm, dtype=mx.float32), normed)


def gated_delta_inputs(vectors: bool) -> list[mx.array]:
    gates = normal(1, 3, 4, 128) if vectors else normal(1, 3, 4)
    return [
        normal(1, 3, 2, 128) * 0.1,
        normal(1, 3, 2, 128, seed=1) * 0.1,
        normal(1, 3, 4, 16),
        mx.sigmoid(gates),
        mx.sigmoid(normal(1, 3, 4, seed=2)),
        normal(1, 4, 16, 128),
    ]


@pytest.fixture(scope="module")
def gated_delta() -> Any:
    return load("models.gated_delta")


@pytest.mark.parametrize("name", ["", "_unpacked", "_xtree"])
def test_gated_delta(gated_delta: Any, name: str) -> None:
    inputs = gated_delta_inputs(vectors=False)
    got = getattr(gated_delta, f"gated_delta_kernel{name}")(*inputs)
    for one, expected in zip(got, gated_delta.gated_delta_ops(*inputs), strict=True):
        assert_close(one, expected)


@pytest.mark.parametrize("masked", [True, False])
def test_gated_delta_with_vectors_of_gates(gated_delta: Any, masked: bool) -> None:
    inputs = gated_delta_inputs(vectors=True)
    mask = mx.array([[True, False, True]]) if masked else None
    y, state = gated_delta.gated_delta_kernel(*inputs, mask)
    expected_y, expected_state = gated_delta.gated_delta_ops(*inputs, mask)
    kept = slice(None) if mask is None else np.flatnonzero(np.array(mask[0])).tolist()
    assert_close(y[:, kept], expected_y[:, kept])  # where masked, the kernel gives 0
    assert_close(state, expected_state)


def test_gated_delta_with_a_mask(gated_delta: Any) -> None:
    inputs, mask = gated_delta_inputs(vectors=False), mx.array([[True, False, True]])
    _, state = gated_delta.gated_delta_kernel(*inputs, mask)
    assert_close(state, gated_delta.gated_delta_ops(*inputs, mask)[1])


def test_ssm() -> None:
    module = load("models.ssm")
    inputs = [
        normal(2, 1, 4, 16),
        normal(4),
        normal(2, 1, 2, 64),
        normal(2, 1, 2, 64, seed=1),
        normal(4, seed=1),
        normal(2, 1, 4),
        normal(4, seed=2),
        normal(2, 4, 16, 64),
    ]
    limits = (0.001, 100.0)
    y, state = module.ssm_update_kernel(*inputs, limits)
    expected_y, expected_state = module.ssm_attn(*inputs, limits)
    assert_close(y, expected_y)
    assert_close(state, expected_state)


@pytest.mark.parametrize("invert", [True, False])
def test_bitlinear(invert: bool) -> None:
    layer = load("models.bitlinear_layers").BitLinear(64, 32, False, invert)
    packed = np.random.default_rng(0).integers(0, 256, (8, 64)).astype(np.uint8)
    layer.weight, layer.weight_scale = mx.array(packed), mx.array([1.5])
    x = normal(3, 64)
    rows = np.concatenate([(packed >> shift & 3).astype(np.float32) - 1 for shift in (0, 2, 4, 6)])
    assert_close(layer(x), x @ mx.array(rows).T * (1 / 1.5 if invert else 1.5))


def test_rwkv7() -> None:
    module = load("models.rwkv7")
    r, k, v, a, b = (normal(1, 3, 2, 64, seed=seed) * 0.1 for seed in range(5))
    w, state = mx.sigmoid(normal(1, 3, 2, 64, seed=5)), normal(1, 2, 64, 64)
    y, last = module.wkv7_kernel(r, w, k, v, a, b, state)
    for t in range(3):
        step, state = module._wkv7_step_ops(*(z[:, t] for z in (r, w, k, v, a, b)), state)
        assert_close(y[:, t], step.squeeze(-1))
    assert_close(last, state)


def test_kimi_k3_mixes_residuals() -> None:
    module = load("models.kimi_k3")
    blocks = module.ResidualBlocks(EPS)
    for seed in range(3):
        blocks.append(normal(1, 2, 600, seed=seed))
    partial, weight = normal(1, 2, 600, seed=4), normal(600) * 0.05
    with on_a_gpu():
        got = module._attn_res_mix(blocks, partial, weight, EPS)
    assert_close(got, module._attn_res_mix(blocks, partial, weight, EPS))


def test_deepseek_v41_balances_rows_and_columns() -> None:
    module = load("models.deepseek_v41")
    matrices, eps = mx.exp(normal(2, 5, 4, 4)), mx.array([EPS])
    with on_a_gpu():
        got = module._sinkhorn(matrices, iters=4, eps=eps)
    assert_close(got, module._sinkhorn(matrices, iters=4, eps=eps))


def test_the_divergence_kernels_race_in_mlx_lm_0_32_2() -> None:
    """Sums go where other SIMD groups may still read the maxima of before."""
    logits = normal(1, 40), normal(1, 40, seed=1)
    module = load("tuner.losses")
    for function in (module._kl_div_loss, module._js_div_loss):
        with pytest.raises(KernelError) as caught:
            function(*logits)
        assert {finding.kind for finding in caught.value.findings} == {Kind.RACE}
        assert "threadgroup 'shared'" in str(caught.value)


@pytest.fixture(scope="module")
def mended_losses() -> Any:
    """The same module, its kernels with the barrier that the findings ask for."""

    def mend(source: str) -> str:
        read = "max_p = shared[simd_lane_id * 2 + 1];"
        assert source.count(read) == 1
        barrier = "threadgroup_barrier(mem_flags::mem_threadgroup);"
        return source.replace(read, read + barrier).replace("mem_none", "mem_threadgroup")

    return load("tuner.losses", edit=mend)


def test_with_one_more_barrier_the_divergence_kernels_are_right(mended_losses: Any) -> None:
    q, p = normal(2, 4500), normal(2, 4500, seed=1)
    stock: Any = losses
    assert_close(mended_losses._kl_div_loss(q, p), stock.kl_div_loss(q, p))
    assert_close(mended_losses._js_div_loss(q, p)[0], stock.js_div_loss(q, p))


@pytest.mark.parametrize("name", ["kl", "js"])
def test_the_backward_kernels_of_divergences(mended_losses: Any, name: str) -> None:
    q, p, cotangent = normal(2, 4500), normal(2, 4500, seed=1), mx.array([0.5, -2.0])
    loss = getattr(losses, f"{name}_div_loss")
    (expected,) = mx.vjp(lambda x: loss(x, p), [q], [cotangent])[1]
    inputs = [q, p, cotangent]
    if name == "js":
        inputs.append(mended_losses._js_div_loss(q, p)[1])
    (got,) = getattr(mended_losses, f"_{name}_backward_kernel")(
        inputs=inputs, output_shapes=[q.shape], output_dtypes=[q.dtype],
        template=[("T", q.dtype), ("V", 4500)], grid=(1024, 2, 1), threadgroup=(1024, 1, 1),
    )  # fmt: skip
    assert_close(got, expected)
