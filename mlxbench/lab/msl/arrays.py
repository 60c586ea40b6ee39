"""Between mlx arrays and the bytes that a kernel sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import mlx.core as mx
import numpy as np

from mlxbench.errors import InputError
from mlxbench.lab.msl.findings import Finding, KernelError, Kind
from mlxbench.lab.msl.source import KernelSource, Launch

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_UNDEFINED = 0xFF  # what memory that nobody has written holds: as floats, NaN
_NO_METAL_TYPE = (mx.float64, mx.complex64)


class Role(StrEnum):
    """What a kernel may do with a buffer; see `native/job.h`."""

    INPUT = "input"
    OUTPUT = "output"
    INITIALISED = "initialised"


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """One buffer of a kernel: what it holds at the start of each run."""

    name: str
    role: Role
    content: Bytes
    element_bytes: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """An array in memory: its bytes from the lowest address on, and steps in elements."""

    content: Bytes
    strides: tuple[int, ...]


def as_array(value: Any) -> mx.array:
    """An input as an array: mlx takes numbers as well."""
    return value if isinstance(value, mx.array) else mx.array(value)


def evaluate(arrays: Sequence[mx.array]) -> None:
    """Evaluate inputs. Raises InputError inside of a transformation, where they have no values."""
    try:
        mx.eval(*arrays)
    except (ValueError, RuntimeError) as error:
        if "transformation" not in str(error):
            raise
        raise InputError(
            "kernels on the CPU run at once and cannot be traced by mx.compile or mx.grad",
            "call mx.disable_compile() before, or take the kernel out of the transformation",
        ) from error


def buffers_of(
    kernel: KernelSource, inputs: Sequence[mx.array], launch: Launch, names: Sequence[str]
) -> list[Buffer]:
    """All buffers, in the order of `names`: those that mlx gave the kernel's signature."""
    made = {b.name: b for b in _inputs(kernel, inputs)}
    made |= {b.name: b for b in _outputs(kernel, launch)}
    return [made[name] for name in names]


def from_bytes(content: Bytes, shape: Sequence[int], dtype: mx.Dtype) -> mx.array:
    """The array of an output's bytes."""
    flat = mx.array(content)
    return (flat.view(dtype) if flat.size else mx.zeros((0,), dtype)).reshape(tuple(shape))


def _inputs(kernel: KernelSource, inputs: Sequence[mx.array]) -> Iterator[Buffer]:
    for name, array in zip(kernel.input_names, inputs, strict=True):
        if array.dtype in _NO_METAL_TYPE:
            message = f"input '{name}' is {array.dtype}, which kernels here cannot have"
            raise KernelError(kernel.name, [Finding(Kind.COMPILE_ERROR, message)])
        layout = _layout(mx.contiguous(array) if kernel.ensure_row_contiguous else array)
        yield Buffer(name, Role.INPUT, layout.content, array.dtype.size)
        yield _numbers(f"{name}_shape", np.array(array.shape, np.int32))
        yield _numbers(f"{name}_strides", np.array(layout.strides, np.int64))
        yield _numbers(f"{name}_ndim", np.array([array.ndim], np.int32))


def _outputs(kernel: KernelSource, launch: Launch) -> Iterator[Buffer]:
    described = zip(kernel.output_names, launch.output_shapes, launch.output_dtypes, strict=True)
    for name, shape, dtype in described:
        if launch.init_value is None:
            size = int(np.prod(shape, dtype=np.int64)) * dtype.size
            yield Buffer(name, Role.OUTPUT, np.full(size, _UNDEFINED, np.uint8), dtype.size)
        else:
            value = mx.full(tuple(shape), float(launch.init_value)).astype(dtype)  # as mlx does
            yield Buffer(name, Role.INITIALISED, _layout(value).content, dtype.size)


def _numbers(name: str, values: np.ndarray[Any, Any]) -> Buffer:
    content = np.ascontiguousarray(values).view(np.uint8)
    return Buffer(name, Role.INPUT, content, values.itemsize)


def _layout(array: mx.array) -> _Layout:
    """The memory between an array's first and last element, as it lies there.

    Elements that a strided array skips come along, and repeated ones (stride 0) come once. An array
    with negative strides would begin behind its first byte; mlx does not pass such an offset to
    kernels apart from the pointer, and here it is copied instead.
    """
    evaluate([array])
    if array.size == 0:
        return _Layout(np.zeros(0, np.uint8), (0,) * array.ndim)
    plain = array.view(mx.uint16) if array.dtype == mx.bfloat16 else array
    view = np.asarray(memoryview(plain))  # type: ignore[arg-type]
    steps = tuple(stride // view.itemsize for stride in view.strides)
    if any(step < 0 for step in steps):
        return _layout(mx.contiguous(array))
    extent = 1 + sum((n - 1) * step for n, step in zip(array.shape, steps, strict=True))
    memory = np.lib.stride_tricks.as_strided(view, (extent,), (view.itemsize,), writeable=False)
    return _Layout(memory.view(np.uint8), steps)
