"""`mx.fast.metal_kernel` where there is no Metal: the same calling form, run by this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn, cast

import mlx.core as mx

from mlxbench.errors import InputError
from mlxbench.lab.msl.arrays import as_array
from mlxbench.lab.msl.examining import run
from mlxbench.lab.msl.source import Checks, KernelSource, Launch, Size, TemplateValue

FOREIGN = Checks(house_rules=False)  # kernels of others were not written by our rules


def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    *,
    checks: Checks = FOREIGN,
) -> Callable[..., list[mx.array]]:
    """What `mx.fast.metal_kernel` returns, except that it runs at once and on the CPU.

    Its result raises KernelError for a kernel that is wrong.
    """
    kernel = KernelSource(
        name=name,
        input_names=input_names,
        output_names=output_names,
        source=source,
        header=header,
        ensure_row_contiguous=ensure_row_contiguous,
        atomic_outputs=atomic_outputs,
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
        verbose: bool = False,  # noqa: ARG001 - mlx prints the source; see `assemble`
        stream: Any = None,  # noqa: ARG001 - there is but one
    ) -> list[mx.array]:
        launch = Launch(
            grid=grid,
            threadgroup=threadgroup,
            output_shapes=output_shapes,
            output_dtypes=output_dtypes,
            template=template or (),
            init_value=init_value,
        )
        return _without_gradient(kernel, launch, checks)(*map(as_array, inputs))

    return call


def _without_gradient(
    kernel: KernelSource, launch: Launch, checks: Checks
) -> Callable[..., list[mx.array]]:
    """The run as a function of its inputs that refuses to be differentiated.

    Its outputs are new arrays that depend on nothing, so their gradient would silently be 0.
    """

    def forward(*inputs: mx.array) -> list[mx.array]:
        return list(run(kernel, inputs, launch, checks))

    def backward(*_: Any) -> NoReturn:
        raise InputError(
            f"Metal kernel {kernel.name!r} has no gradient", "define one with mx.custom_function"
        )

    function: Any = mx.custom_function(forward)
    function.vjp(backward)
    return cast(Callable[..., list[mx.array]], function)


@contextmanager
def metal_on_cpu(checks: Checks = FOREIGN, *, claim_metal: bool = False) -> Iterator[None]:
    """Put this package in the place of `mx.fast.metal_kernel`, and take it away again.

    Kernels made inside stay what they are afterwards, so import a module that makes kernels inside,
    but under another name if anybody else needs it unchanged. `claim_metal` also lets
    `mx.metal.is_available` say yes, which modules ask before they make a kernel; code that then
    goes on to ask Metal for anything else fails.
    """

    def replacement(*arguments: Any, **named: Any) -> Callable[..., list[mx.array]]:
        return metal_kernel(*arguments, **named, checks=checks)

    with _replaced(mx.fast, "metal_kernel", replacement):
        if not claim_metal:
            yield
            return
        with _replaced(mx.metal, "is_available", lambda: True):
            yield


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
