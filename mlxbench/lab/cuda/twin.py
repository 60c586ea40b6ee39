"""From a Metal body to a CUDA body: what the header `prelude.h` cannot do by itself.

Variables in threadgroup memory are declared `__shared__`; every other `threadgroup` is an address
space, which CUDA's pointers do not have, and goes. Helpers that are `inline` become functions of
the device. The thread's places, parameters in Metal, become constants in front of the body, and so
do inputs without dimensions, which are references in Metal and pointers in CUDA: they are passed
under another name. Lines are numbered as the writer knows them, as `header` and `kernel`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxbench.errors import InputError
from mlxbench.lab.msl.text import blank_comments

PRELUDE = Path(__file__).with_name("prelude.h")
HEADER, KERNEL = "header", "kernel"  # the file names of the two texts, as the compiler knows them
ADDRESS = "_address"  # what the name of an input without dimensions is passed with

_FLAT = "(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z))"
_THREADS = "(blockDim.x * blockDim.y * blockDim.z)"
_GRID = "uint3{gridDim.x * blockDim.x, gridDim.y * blockDim.y, gridDim.z * blockDim.z}"
_THREADGROUP = "uint3{blockDim.x, blockDim.y, blockDim.z}"
# Each attribute of Metal that mlx knows by its name in a body; threadgroups are always whole here.
_ATTRIBUTES = {
    "thread_position_in_grid": (
        "uint3{blockIdx.x * blockDim.x + threadIdx.x, blockIdx.y * blockDim.y + threadIdx.y, "
        "blockIdx.z * blockDim.z + threadIdx.z}"
    ),
    "thread_position_in_threadgroup": "uint3{threadIdx.x, threadIdx.y, threadIdx.z}",
    "threadgroup_position_in_grid": "uint3{blockIdx.x, blockIdx.y, blockIdx.z}",
    "threads_per_threadgroup": _THREADGROUP,
    "dispatch_threads_per_threadgroup": _THREADGROUP,
    "threads_per_grid": _GRID,
    "grid_size": _GRID,
    "grid_origin": "uint3{0u, 0u, 0u}",
    "threadgroups_per_grid": "uint3{gridDim.x, gridDim.y, gridDim.z}",
    "thread_index_in_threadgroup": f"uint{_FLAT}",
    "thread_index_in_simdgroup": f"uint({_FLAT} % 32u)",
    "simdgroup_index_in_threadgroup": f"uint({_FLAT} / 32u)",
    "simdgroups_per_threadgroup": f"uint({_THREADS} / 32u)",
    "dispatch_simdgroups_per_threadgroup": f"uint({_THREADS} / 32u)",
    "threads_per_simdgroup": "uint(32u)",
    "thread_execution_width": "uint(32u)",
}
_ALIGNMENT = r"(?:alignas\([^()]*\)\s*)?"
_THREADGROUP_VARIABLE = re.compile(
    rf"(?:^|[;{{}}])\s*{_ALIGNMENT}(?P<keyword>\bthreadgroup\b)\s+{_ALIGNMENT}"
    r"[A-Za-z_][\w:]*(?:\s*<[^;{}]*?>)?\s+[A-Za-z_]\w*\s*(?=[\[,;])",
    re.M,
)
_INLINE_FUNCTION = re.compile(r"(?<!__device__ )\b(?P<keyword>inline)\b(?!\s+namespace\b)")


@dataclass(frozen=True, slots=True)
class Twin:
    """A kernel for `mx.fast.cuda_kernel`: its `source`, `header` and `input_names`."""

    source: str
    header: str
    inputs: tuple[str, ...]


def twin(source: str, header: str, inputs: Sequence[str], scalars: Sequence[str]) -> Twin:
    """The CUDA form of a Metal kernel; `scalars` names its inputs without dimensions.

    Raises InputError for scalars that are no inputs.
    """
    for scalar in scalars:
        if scalar not in inputs:
            raise InputError(
                f"the kernel has no input {scalar!r} (it has {', '.join(inputs) or 'none'})",
                "name inputs without dimensions only in `scalars`",
            )
    places = _places(source, inputs)
    values = [f"const auto& {scalar} = *{scalar}{ADDRESS};\n" for scalar in scalars]
    return Twin(
        source=f'{places}{"".join(values)}#line 1 "{KERNEL}"\n{share_variables(source)}',
        header=(
            f'#line 1 "{PRELUDE.name}"\n{PRELUDE.read_text(encoding="utf-8")}'
            f'#line 1 "{HEADER}"\n{mark_functions(share_variables(header))}\n'
        ),
        inputs=tuple(name + ADDRESS if name in scalars else name for name in inputs),
    )


def share_variables(text: str) -> str:
    """The text with its variables in threadgroup memory declared as CUDA's shared ones."""
    return _replaced(_THREADGROUP_VARIABLE, text, "__shared__")


def mark_functions(header: str) -> str:
    """The header with its `inline` functions marked as functions of the device."""
    return _replaced(_INLINE_FUNCTION, header, "__device__ inline")


def _places(source: str, inputs: Sequence[str]) -> str:
    """Constants for the attributes that the source mentions, one a line."""
    code = blank_comments(source)
    return "".join(
        f"const auto {name} = {value};\n"
        for name, value in _ATTRIBUTES.items()
        if name not in inputs and re.search(rf"\b{name}\b", code)
    )


def _replaced(pattern: re.Pattern[str], text: str, replacement: str) -> str:
    """The text with `keyword` of each match outside comments and strings replaced."""
    parts, end = [], 0
    for match in pattern.finditer(blank_comments(text)):
        parts += [text[end : match.start("keyword")], replacement]
        end = match.end("keyword")
    return "".join([*parts, text[end:]])
