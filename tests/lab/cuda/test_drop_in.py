"""The calling form is that of `mx.fast.metal_kernel`; launches that differ there are refused."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import pytest

from mlxbench.errors import InputError
from mlxbench.lab.cuda import cuda_kernel, twin

SOURCE = "uint i = thread_position_in_grid.x; y[i] = n * x[i];"
LAUNCH: dict[str, Any] = {
    "grid": (64, 1, 1),
    "threadgroup": (32, 1, 1),
    "output_shapes": [(64,)],
    "output_dtypes": [mx.float32],
}
on_cuda = pytest.mark.skipif(not mx.cuda.is_available(), reason="MLX has no CUDA device here")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What mlx's own function is given, first at the making and then at each call."""
    noted: list[dict[str, Any]] = []

    def create(**kernel: Any) -> Any:
        noted.append(kernel)

        def call(**launch: Any) -> list[mx.array]:
            noted.append(launch)
            return [mx.zeros(shape) for shape in launch["output_shapes"]]

        return call

    monkeypatch.setattr(mx.cuda, "is_available", lambda: True)
    monkeypatch.setattr(mx.fast, "cuda_kernel", create)
    return noted


@pytest.mark.skipif(mx.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_it_says_so() -> None:
    with pytest.raises(InputError, match="kernel 'scaled' cannot run: MLX has no CUDA device"):
        cuda_kernel("scaled", ["x", "n"], ["y"], SOURCE, scalars=["n"])


def test_mlx_gets_the_twin_and_the_launch(given: list[dict[str, Any]]) -> None:
    kernel = cuda_kernel("scaled", ["x", "n"], ["y"], SOURCE, "int a;", False, scalars=["n"])
    x = mx.ones(64)
    (y,) = kernel(inputs=[x, 2.0], template=[("T", mx.float16)], init_value=1, **LAUNCH)
    made = twin(SOURCE, "int a;", ["x", "n"], ["n"])
    assert given[0] == {
        "name": "scaled",
        "input_names": ["x", "n_address"],
        "output_names": ["y"],
        "source": made.source,
        "header": made.header,
        "ensure_row_contiguous": False,
    }
    inputs = given[1].pop("inputs")
    assert inputs[0] is x
    assert inputs[1] == 2.0
    assert given[1] == LAUNCH | {
        "template": [("T", mx.float16)],
        "init_value": 1,
        "verbose": False,
        "stream": None,
    }
    assert y.shape == (64,)


@pytest.mark.parametrize(
    ("grid", "threadgroup", "said"),
    [
        ((65, 1, 1), (32, 1, 1), "the grid has 65 threads in x; the rule is a multiple"),
        ((64, 3, 1), (32, 2, 1), "the grid has 3 threads in y"),
        ((16, 1, 1), (32, 1, 1), "the grid has 16 threads in x"),
        ((48, 1, 1), (16, 1, 1), "a threadgroup has 16 threads; the rule is a multiple of 32"),
        ((2048, 1, 1), (2048, 1, 1), "a threadgroup has 2048 threads; the rule is at most 1024"),
        ((0, 1, 1), (32, 1, 1), "three numbers of at least 1"),
    ],
)
def test_launches_that_cuda_would_round_up_are_refused(
    given: list[dict[str, Any]], grid: Any, threadgroup: Any, said: str
) -> None:
    kernel = cuda_kernel("scaled", ["x", "n"], ["y"], SOURCE, scalars=["n"])
    with pytest.raises(InputError, match=said):
        kernel(inputs=[mx.ones(64), 2.0], **LAUNCH | {"grid": grid, "threadgroup": threadgroup})
    assert len(given) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([mx.ones(64), mx.ones(1)], "input 'n' of kernel 'scaled' has 1 dimensions"),
        ([mx.array(1.0), mx.array(1.0)], "input 'x' of kernel 'scaled' has 0 dimensions"),
        ([mx.ones(64)], "kernel 'scaled' takes 2 inputs, not 1"),
    ],
)
def test_inputs_that_do_not_fit_the_names_are_refused(
    given: list[dict[str, Any]], inputs: list[mx.array], said: str
) -> None:
    kernel = cuda_kernel("scaled", ["x", "n"], ["y"], SOURCE, scalars=["n"])
    with pytest.raises(InputError, match=said):
        kernel(inputs=inputs, **LAUNCH)
    assert len(given) == 1


@pytest.mark.gpu
@on_cuda
def test_it_runs() -> None:
    kernel = cuda_kernel("scaled", ["x", "n"], ["y"], SOURCE, scalars=["n"])
    (y,) = kernel(inputs=[mx.arange(64, dtype=mx.float32), mx.array(3.0)], **LAUNCH)
    assert y.tolist() == [3.0 * i for i in range(64)]
