"""`mx.fast.metal_kernel` where there is CUDA: the same calling form, run as the kernel's twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from mlxbench.errors import InputError
from mlxbench.lab.cuda.twin import Twin, twin
from mlxbench.lab.msl import house_rules
from mlxbench.lab.msl.source import Launch, Size, TemplateValue

_ELSEWHERE = "install a CUDA build of MLX on a machine with such a device, or use `msl-cpu`"


def cuda_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    scalars: Sequence[str] = (),
) -> Callable[..., list[mx.array]]:
    """What `mx.fast.metal_kernel` returns, except that it runs with CUDA.

    `scalars` names the inputs without dimensions. Raises InputError where there is no CUDA; its
    result raises InputError for a launch that CUDA would round up, or other inputs than named.
    """
    kernel = _made(
        name, twin(source, header, input_names, scalars), output_names, ensure_row_contiguous
    )

    def call(
        *,
        inputs: Sequence[Any],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[mx.Dtype],
        grid: Size,
        threadgroup: Size,
        template: Sequence[tuple[str, TemplateValue]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: Any = None,
    ) -> list[mx.array]:
        refuse_launch(name, grid, threadgroup)
        refuse_inputs(name, input_names, inputs, scalars)
        outputs: list[mx.array] = kernel(
            inputs=list(inputs),
            output_shapes=output_shapes,
            output_dtypes=output_dtypes,
            grid=grid,
            threadgroup=threadgroup,
            template=list(template or ()),
            init_value=init_value,
            verbose=verbose,
            stream=stream,
        )
        return outputs

    return call


def _made(name: str, made: Twin, output_names: Sequence[str], ensure_row_contiguous: bool) -> Any:
    """What mlx makes of a twin. Raises InputError where there is no CUDA."""
    if not mx.cuda.is_available():
        raise InputError(f"kernel {name!r} cannot run: MLX has no CUDA device here", _ELSEWHERE)
    create: Any = mx.fast.cuda_kernel
    return create(
        name=name,
        input_names=list(made.inputs),
        output_names=list(output_names),
        source=made.source,
        header=made.header,
        ensure_row_contiguous=ensure_row_contiguous,
    )


def refuse_launch(name: str, grid: Size, threadgroup: Size) -> None:
    """Raises InputError for a launch that is no whole number of threadgroups and SIMD groups.

    Metal launches the very threads of the grid, CUDA whole blocks: the threads beyond would run.
    """
    launch = Launch(grid=grid, threadgroup=threadgroup, output_shapes=(), output_dtypes=())
    for finding in house_rules.limits(launch) or house_rules.of_launch(launch):
        raise InputError(
            f"kernel {name!r} cannot run with CUDA: {finding.message}",
            "round the grid up to whole threadgroups, and let the kernel skip what is too much",
        )


def refuse_inputs(
    name: str, input_names: Sequence[str], inputs: Sequence[Any], scalars: Sequence[str]
) -> None:
    """Raises InputError for missing inputs, or dimensions that are not what `scalars` says."""
    if len(inputs) != len(input_names):
        raise InputError(
            f"kernel {name!r} takes {len(input_names)} inputs, not {len(inputs)}",
            f"give it {', '.join(input_names)}",
        )
    for input_name, value in zip(input_names, inputs, strict=True):
        dimensions = value.ndim if isinstance(value, mx.array) else 0
        if (dimensions == 0) != (input_name in scalars):
            raise InputError(
                f"input {input_name!r} of kernel {name!r} has {dimensions} dimensions",
                "name in `scalars` the inputs without dimensions, and no others",
            )
