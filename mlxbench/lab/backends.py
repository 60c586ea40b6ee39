"""What runs a kernel: Metal, the CPU runner for Metal source, or CUDA through a twin.

Only the first says anything about a Mac. The CPU runner executes the very text that mlx would hand
to Metal's compiler, and watches every access; it verifies, and never times. The twin runs the same
body on an NVIDIA GPU.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import mlx.core as mx

from mlxbench.errors import InputError
from mlxbench.lab.discovery import Found
from mlxbench.lab.experiment import Case, Kernel, Launcher, Launchers

METAL, MSL_CPU, CUDA = "metal", "msl-cpu", "cuda"
NAMES = (METAL, MSL_CPU, CUDA)
AUTO = "auto"
# A call that moves more is run with fewer checks: watching each of its accesses takes minutes.
WATCHED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to run kernels; `verified_by` names it with what it ran on, `times` if it can."""

    name: str
    verified_by: str
    times: bool
    make: Callable[[Found, Kernel, bool], Launcher]

    def launchers(self, found: Found, closely: bool = True) -> Launchers:
        """An experiment's kernels, ready to run; `closely` asks the CPU runner to watch."""
        return {
            kernel.name: self.make(found, kernel, closely) for kernel in found.experiment.kernels
        }


def choose(name: str) -> Backend:
    """The backend of that name; `auto` is the best that is present. Raises InputError."""
    if name == AUTO:
        name = METAL if mx.metal.is_available() else CUDA if _has_cuda() else MSL_CPU
    return _MAKERS[name]()


def closely(found: Found, case: Case, dtype: mx.Dtype) -> bool:
    """Whether a case is small enough to watch each of its accesses."""
    return found.experiment.bytes_moved(case, dtype) <= WATCHED_BYTES


def _metal() -> Backend:
    if not mx.metal.is_available():
        raise InputError(
            "there is no Metal on this machine", "use --backend msl-cpu, which runs Metal source"
        )
    device = mx.device_info().get("device_name", "a Mac")
    return Backend(METAL, f"metal ({device}, mlx {_mlx_version()})", True, _metal_kernel)


def _msl_cpu() -> Backend:
    from mlxbench.lab.msl import compiler

    clang = compiler.find()
    verified = f"msl-cpu ({platform.machine()}, {clang.version})"
    return Backend(MSL_CPU, verified, False, _msl_kernel)


def _cuda() -> Backend:
    if not _has_cuda():
        raise InputError("there is no CUDA device for mlx here", "use --backend msl-cpu")
    device = mx.device_info().get("device_name", "a GPU")
    return Backend(CUDA, f"cuda ({device}, mlx {_mlx_version()})", True, _cuda_kernel)


_MAKERS: dict[str, Callable[[], Backend]] = {METAL: _metal, MSL_CPU: _msl_cpu, CUDA: _cuda}


def _metal_kernel(found: Found, kernel: Kernel, _: bool) -> Launcher:
    return cast(
        Launcher,
        mx.fast.metal_kernel(
            name=kernel.name,
            input_names=kernel.inputs,
            output_names=kernel.outputs,
            source=found.source(kernel),
            header=found.header(kernel),
            ensure_row_contiguous=kernel.ensure_row_contiguous,
        ),
    )


def _msl_kernel(found: Found, kernel: Kernel, closely: bool) -> Launcher:
    from mlxbench.lab import msl

    checks = msl.Checks() if closely else msl.Checks(memory=False, orders=(0,))
    return cast(
        Launcher,
        msl.metal_kernel(
            kernel.name,
            kernel.inputs,
            kernel.outputs,
            found.source(kernel),
            found.header(kernel),
            kernel.ensure_row_contiguous,
            checks=checks,
        ),
    )


def _cuda_kernel(found: Found, kernel: Kernel, _: bool) -> Launcher:
    from mlxbench.lab.cuda import cuda_kernel

    return cast(
        Launcher,
        cuda_kernel(
            kernel.name,
            kernel.inputs,
            kernel.outputs,
            found.source(kernel),
            found.header(kernel),
            kernel.ensure_row_contiguous,
            kernel.scalars,
        ),
    )


@functools.cache
def _mlx_version() -> str:
    from importlib.metadata import version

    return version("mlx")


def _has_cuda() -> bool:
    return hasattr(mx, "cuda") and mx.cuda.is_available()
