"""Metal source as mlx assembles it: the kernel's body with its signature, written by mlx itself.

`mx.fast.metal_kernel` generates a signature from names, types and shapes, and runs only where there
is Metal. `mx.export_function` however hands every primitive of a traced function to a callback, on
any machine, and among the arguments of the primitive `CustomKernel` are the kernel's name and the
whole source. So nothing of mlx's generator is imitated here.

The layout of those arguments is not documented. It is checked against what is known otherwise, and
a difference is an error that says so, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import mlx.core as mx

from mlxbench.errors import MlxbenchError
from mlxbench.lab.msl.source import KernelSource, Launch

_METAL_KERNEL = mx.fast.metal_kernel  # mlx's own, also while `metal_on_cpu` puts ours in its place
_NAME, _TEXT, _GRID, _THREADGROUP, _SHAPE_NEEDS = 0, 1, slice(2, 5), slice(5, 8), 8


class AssemblyError(MlxbenchError):
    """mlx hands out custom kernels in another form than this module knows."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """The text for Metal's compiler in parts, and what its buffers are.

    The text is `header + signature + source + end`; `signature` has the template's parameters and
    ends with the brace that opens the body. `buffers` names each buffer in order: inputs, each
    followed by those of its shape, strides and number of dimensions that the source mentions, and
    outputs.
    """

    name: str
    header: str
    signature: str
    source: str
    end: str
    buffers: tuple[str, ...]


def assemble(kernel: KernelSource, inputs: Sequence[mx.array], launch: Launch) -> Assembled:
    """The source that mlx would compile for this launch.

    Raises AssemblyError, and whatever mlx raises for arguments that do not fit the kernel.
    """
    name, text, needs = _exported(kernel, inputs, launch)
    if not text.startswith(kernel.header):
        raise _unexpected("the source does not begin with the header")
    opening = text.find(f"[[kernel]] void {name}(\n", len(kernel.header))
    brace = text.find(") {\n", opening)
    if opening < 0 or brace < 0:
        raise _unexpected(f"the source has no kernel {name!r}")
    body = brace + len(") {\n")
    if not text.startswith(kernel.source, body):
        raise _unexpected("the body of the kernel is not the source that was given")
    return Assembled(
        name=name,
        header=kernel.header,
        signature=text[len(kernel.header) : body],
        source=kernel.source,
        end=text[body + len(kernel.source) :],
        buffers=_buffers(kernel, inputs, needs),
    )


def _exported(
    kernel: KernelSource, inputs: Sequence[mx.array], launch: Launch
) -> tuple[str, str, list[tuple[bool, bool, bool]]]:
    """Name, text and what each input needs to be told about, from mlx's callback."""
    call: Any = _METAL_KERNEL(
        name=kernel.name,
        input_names=list(kernel.input_names),
        output_names=list(kernel.output_names),
        source=kernel.source,
        header=kernel.header,
        ensure_row_contiguous=kernel.ensure_row_contiguous,
        atomic_outputs=kernel.atomic_outputs,
    )
    options: dict[str, Any] = {
        "grid": launch.grid,
        "threadgroup": launch.threadgroup,
        "output_shapes": launch.output_shapes,
        "output_dtypes": launch.output_dtypes,
        "init_value": launch.init_value,
    }
    if launch.template:
        options["template"] = list(launch.template)
    primitives: list[dict[str, Any]] = []

    def callback(event: dict[str, Any]) -> None:
        if event.get("type") == "primitive":
            primitives.append(event)

    mx.export_function(callback, lambda *arrays: call(inputs=list(arrays), **options), *inputs)
    custom = [event for event in primitives if event.get("name") == "CustomKernel"]
    if len(custom) != 1:
        names = [event.get("name") for event in primitives]
        raise _unexpected(f"one CustomKernel was expected among {names}")
    return read_arguments(custom[0].get("arguments"), len(inputs), launch)


def read_arguments(
    arguments: Any, n_inputs: int, launch: Launch
) -> tuple[str, str, list[tuple[bool, bool, bool]]]:
    """Name, text and shape needs, if the arguments look as they always did, else AssemblyError."""
    if not isinstance(arguments, list) or len(arguments) <= _SHAPE_NEEDS:
        raise _unexpected(f"its arguments are {str(arguments)[:80]!r}")
    name, text, needs = arguments[_NAME], arguments[_TEXT], arguments[_SHAPE_NEEDS]
    if not isinstance(name, str) or not isinstance(text, str):
        raise _unexpected("its first two arguments are not name and source")
    sizes = (*arguments[_GRID], *arguments[_THREADGROUP])
    if sizes != (*launch.grid, *launch.threadgroup):
        raise _unexpected(f"grid and threadgroup read {sizes}")
    if not isinstance(needs, list) or len(needs) != n_inputs or any(len(n) != 3 for n in needs):
        raise _unexpected(f"what its inputs need reads {needs!r}")
    return name, text, needs


def _buffers(
    kernel: KernelSource, inputs: Sequence[mx.array], needs: list[tuple[bool, bool, bool]]
) -> tuple[str, ...]:
    names: list[str] = []
    for name, array, needed in zip(kernel.input_names, inputs, needs, strict=True):
        names.append(name)
        if array.ndim > 0:
            suffixes = zip(("shape", "strides", "ndim"), needed, strict=True)
            names += [f"{name}_{suffix}" for suffix, wanted in suffixes if wanted]
    return (*names, *kernel.output_names)


def _unexpected(what: str) -> AssemblyError:
    return AssemblyError(
        f"mlx {version('mlx')} exports custom kernels in an unknown form: {what}",
        "install the mlx version that constraints.txt names, or run on Metal",
    )
