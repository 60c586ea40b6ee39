"""NVIDIA's compiler as a library, called to see whether CUDA source compiles: no GPU is needed.

It comes with the packages `nvidia-cuda-nvrtc-cu12`, `-runtime-cu12` and `-cccl-cu12`. What it makes
is thrown away.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ARCHITECTURE = "--gpu-architecture=sm_90"
INCLUDES = ("cuda_runtime", "cuda_cccl")


class CompileError(Exception):
    """What the compiler said."""


def missing() -> str:
    """Why there is no compiler here, or nothing if there is."""
    for part in ("cuda_nvrtc", *INCLUDES):
        if _folder(part) is None:
            return f"no package nvidia-{part.replace('_', '-')}-cu12 (of [dev] on Linux x86-64)"
    return ""


def compile_cuda(program: str, headers: Mapping[str, str]) -> int:
    """Compiles to machine code with the options that mlx gives, and returns its size in bytes.

    `headers` are files by the names that the program includes. Raises CompileError.
    """
    nvrtc, handle = _library(), ctypes.c_void_p()
    names, texts = headers.keys(), headers.values()
    strings = ctypes.c_char_p * len(headers)
    _check(
        nvrtc.nvrtcCreateProgram(
            ctypes.byref(handle),
            program.encode(),
            b"twin.cu",
            len(headers),
            strings(*(text.encode() for text in texts)),
            strings(*(name.encode() for name in names)),
        )
    )
    try:
        options = [ARCHITECTURE, "--device-as-default-execution-space"]
        options += [f"--include-path={_folder(part)}/include" for part in INCLUDES]
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if nvrtc.nvrtcCompileProgram(handle, len(options), given):
            raise CompileError(
                _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, handle)
            )
        size = ctypes.c_size_t()
        _check(nvrtc.nvrtcGetCUBINSize(handle, ctypes.byref(size)))
        return size.value
    finally:
        _check(nvrtc.nvrtcDestroyProgram(ctypes.byref(handle)))


def _folder(part: str) -> Path | None:
    """Where one of NVIDIA's packages lies."""
    if find_spec("nvidia") is None or (spec := find_spec(f"nvidia.{part}")) is None:
        return None
    return Path(next(iter(spec.submodule_search_locations or ())))


@functools.cache
def _library() -> ctypes.CDLL:
    folder = _folder("cuda_nvrtc")
    assert folder is not None, missing()
    (library,) = (folder / "lib").glob("libnvrtc.so.*")
    return ctypes.CDLL(str(library))


def _text(size_of: Any, get: Any, handle: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(size_of(handle, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(get(handle, buffer))
    return buffer.value.decode()


def _check(status: int) -> None:
    assert status == 0, f"NVRTC returned {status}"
