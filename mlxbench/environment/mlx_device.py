"""The device that MLX computes on by default.

MLX has three backends and one wheel holds one of them: Metal, CUDA or the CPU alone. The default
device is the GPU wherever the build has one, and `mx.device_info()` describes it with keys that
depend on the backend (read in MLX 0.32.4): Metal has `memory_size` and
`max_recommended_working_set_size`, CUDA `total_memory` (and a UUID, which nobody wants), the CPU
neither. A CPU is no accelerator: it has a backend, but no name and no memory of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Backend = Literal["metal", "cuda", "cpu"]

# The most that a program should use of the device. A Mac's GPU shares the machine's memory and
# slows down or fails beyond the working set that Metal recommends.
MEMORY_KEYS: Mapping[Backend, str] = {
    "metal": "max_recommended_working_set_size",
    "cuda": "total_memory",
}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The backend, and the device's name and usable memory where it is not the CPU."""

    backend: Backend | None = None
    name: str | None = None
    memory_bytes: int | None = None


def collect_accelerator() -> Accelerator:
    """Ask MLX; all unknown where it is not installed or its device cannot be opened."""
    try:
        import mlx.core as mx

        if mx.default_device().type == mx.cpu:
            return Accelerator("cpu")
        backend: Backend = "metal" if mx.metal.is_available() else "cuda"
        return describe_device(backend, mx.device_info())
    except (ImportError, RuntimeError):
        return Accelerator()


def describe_device(backend: Backend, info: Mapping[str, str | int]) -> Accelerator:
    """Pick the name and the usable memory out of `mx.device_info()`."""
    name = info.get("device_name")
    memory = info.get(MEMORY_KEYS.get(backend, ""))
    return Accelerator(
        backend,
        name if isinstance(name, str) else None,
        memory if isinstance(memory, int) else None,
    )
