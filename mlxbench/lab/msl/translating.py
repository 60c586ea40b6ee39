"""From Metal source to C++: what the header `native/msl.h` cannot do by itself.

Three changes are made. Variables in threadgroup memory, which C++ takes for locals, become
references into memory of the runtime. The explicit instantiation of a template goes, for its
attributes are Apple's. And the lines of the kernel's own texts are numbered as the writer knows
them. Then a function is added that calls the kernel for one thread.

What the header does not know is refused by name instead of with whatever error follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlxbench.lab.msl.assembling import Assembled, AssemblyError
from mlxbench.lab.msl.findings import Finding, KernelError, Kind, Place
from mlxbench.lab.msl.text import blank_comments, line_at

HEADER, KERNEL = "header", "kernel"  # the file names of the two texts, as the compiler knows them

# In terms of mslrt::Thread, for each attribute that mlx puts into a signature.
_ATTRIBUTES = {
    "thread_position_in_grid": "index(msl_thread.position_in_grid)",
    "thread_position_in_threadgroup": "index(msl_thread.position_in_threadgroup)",
    "threadgroup_position_in_grid": "index(msl_thread.threadgroup_position)",
    "threads_per_threadgroup": "index(msl_thread.threads_per_threadgroup)",
    "dispatch_threads_per_threadgroup": "index(msl_thread.dispatch_threads_per_threadgroup)",
    "threads_per_grid": "index(msl_thread.threads_per_grid)",
    "grid_size": "index(msl_thread.threads_per_grid)",
    "grid_origin": "metal::uint3{0, 0, 0}",
    "threadgroups_per_grid": "index(msl_thread.threadgroups_per_grid)",
    "thread_index_in_threadgroup": "msl_thread.index_in_threadgroup",
    "thread_index_in_simdgroup": "msl_thread.index_in_simdgroup",
    "simdgroup_index_in_threadgroup": "msl_thread.simdgroup_index",
    "simdgroups_per_threadgroup": "msl_thread.simdgroups",
    "dispatch_simdgroups_per_threadgroup": "msl_thread.dispatch_simdgroups",
    "threads_per_simdgroup": "mslrt::SIMD_WIDTH",
    "thread_execution_width": "mslrt::SIMD_WIDTH",
}
_UNSUPPORTED = re.compile(
    r"\b(simdgroup_(?:matrix|load|store|multiply\w*|\w+8x8|async_copy)"
    r"|texture(?:1d|2d|3d|cube|_buffer)\w*|sampler(?=\s+\w)|function_constant|imageblock\w*"
    r"|quad_(?:sum|product|min|max|and|or|xor|all|any|ballot|prefix\w+|shuffle\w*|broadcast\w*)"
    r"|quadgroup_index_in_threadgroup|quadgroups_per_threadgroup|thread_index_in_quadgroup"
    r"|dispatch_quadgroups_per_threadgroup|packed_(?:u?(?:char|short|int|long)|half|bfloat|float)[234]"
    r"|atomic_thread_fence|complex64_t|(?:float|half|bfloat)[234]x[234]|intersector|os_log\w*)\b"
)
_PARAMETER = re.compile(r"\s*(?P<type>.*?)\s*(?P<name>\w+) \[\[(?P<attribute>\w+)(?:\(\d+\))?\]\]")
_INSTANTIATION = re.compile(
    r"\ntemplate \[\[host_name\(.*\)\]\] \[\[kernel\]\] decltype\((.*)\) .*;\n"
)
_ALIGNMENT = r"(?:alignas\([^()]*\)\s*)?"
_NAME_AND_EXTENTS = r"\w+\s*(?:\[[^\];]*\]\s*)*"
_THREADGROUP_VARIABLES = re.compile(
    rf"(?P<before>(?:^|[;{{}}])\s*){_ALIGNMENT}threadgroup\s+{_ALIGNMENT}"
    rf"(?P<type>[A-Za-z_][\w:]*(?:\s*<[^;{{}}]*?>)?)\s+"
    rf"(?P<names>{_NAME_AND_EXTENTS}(?:,\s*{_NAME_AND_EXTENTS})*);",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the assembled kernel."""

    type: str
    name: str
    attribute: str


def translate(kernel: str, assembled: Assembled) -> str:
    """C++ for the compiler. Raises KernelError for what is not supported, or cannot be a kernel."""
    if not assembled.name.isidentifier():
        _refuse(kernel, f"the name {kernel!r} is not an identifier")
    for name in assembled.buffers:
        if not name.isidentifier():
            _refuse(kernel, f"the name {name!r} of a buffer is not an identifier")
    _refuse_unsupported(kernel, assembled)
    return "".join(
        (
            f'#include "msl.h"\n#line 1 "{HEADER}"\n',
            declare_threadgroup_variables(assembled.header),
            assembled.signature,
            f'#line 1 "{KERNEL}"\n',
            declare_threadgroup_variables(assembled.source),
            f'\n}}\n#line 1 "call"\n{_call(kernel, assembled)}\n',
        )
    )


def declare_threadgroup_variables(text: str) -> str:
    """Metal source in which threadgroup variables are references; its lines stay as they are."""
    parts, end = [], 0
    for match in _THREADGROUP_VARIABLES.finditer(blank_comments(text)):
        parts.append(text[end : match.start()])
        lines = match[0].count("\n")
        references = " ".join(_references(match["type"], match["names"]))
        parts.append(match["before"] + references)
        parts.append("\n" * (lines - parts[-1].count("\n")))
        end = match.end()
    return "".join([*parts, text[end:]])


def _references(element: str, names: str) -> Iterator[str]:
    for declarator in re.findall(_NAME_AND_EXTENTS, names):
        name, extents = re.fullmatch(r"(\w+)\s*(.*?)\s*", declarator, re.S).groups()  # type: ignore[union-attr]
        extents = extents.replace("\n", " ")
        yield (
            f"threadgroup {element} (&{name}){extents} = "
            f'mslrt::variable<{element} {extents}>(__COUNTER__, "{name}");'
        )


def _call(kernel: str, assembled: Assembled) -> str:
    """The function that the runtime calls for each thread."""
    parameters = list(_parameters(assembled))
    buffers = [p for p in parameters if p.attribute == "buffer"]
    if tuple(p.name for p in buffers) != assembled.buffers:
        raise AssemblyError(
            f"the buffers of kernel {kernel!r} are {[p.name for p in buffers]}, where "
            f"{list(assembled.buffers)} were expected",
            "install the mlx version that constraints.txt names, or run on Metal",
        )
    arguments = [_buffer(p, i) for i, p in enumerate(buffers)]
    for parameter in parameters[len(buffers) :]:
        if parameter.attribute not in _ATTRIBUTES:
            _refuse(kernel, f"not supported by msl-cpu: {parameter.attribute}")
        arguments.append(_ATTRIBUTES[parameter.attribute])
    return (
        'extern "C" void msl_kernel(void* const* msl_buffers, const mslrt::Thread& msl_thread) {\n'
        "  using mslrt::index;\n"
        f"  {_instance(assembled)}({', '.join(arguments)});\n}}"
    )


def _parameters(assembled: Assembled) -> Iterator[Parameter]:
    listed = assembled.signature.partition("(\n")[2].removesuffix(") {\n")
    for text in listed.split(",\n"):
        match = _PARAMETER.fullmatch(text)
        if match is None:
            raise AssemblyError(
                f"parameter {text.strip()!r} of an assembled kernel is of an unknown form",
                "install the mlx version that constraints.txt names, or run on Metal",
            )
        yield Parameter(match["type"], match["name"], match["attribute"])


def _buffer(parameter: Parameter, number: int) -> str:
    """A buffer as the kernel wants it; arrays without dimensions are references."""
    if parameter.type.endswith("&"):
        return f"*({parameter.type[:-1]}*)msl_buffers[{number}]"
    return f"({parameter.type})msl_buffers[{number}]"


def _instance(assembled: Assembled) -> str:
    """The kernel's name, with its template's arguments if it is a template."""
    if assembled.end == "\n}\n":
        return assembled.name
    match = _INSTANTIATION.fullmatch(assembled.end.removeprefix("\n}\n").rstrip("\n") + "\n")
    if match is None:
        raise AssemblyError(
            f"an assembled kernel ends with {assembled.end.strip()[:80]!r}",
            "install the mlx version that constraints.txt names, or run on Metal",
        )
    return match[1]


def _refuse_unsupported(kernel: str, assembled: Assembled) -> None:
    for part, text in ((HEADER, assembled.header), (KERNEL, assembled.source)):
        code = blank_comments(text)
        if match := _UNSUPPORTED.search(code):
            place = Place(part, line_at(code, match.start()))
            _refuse(kernel, f"not supported by msl-cpu: {match[0]}", place)


def _refuse(kernel: str, message: str, place: Place | None = None) -> None:
    raise KernelError(kernel, [Finding(Kind.COMPILE_ERROR, message, place)])
