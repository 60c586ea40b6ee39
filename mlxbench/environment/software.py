"""Versions, and the environment variables that change what MLX does.

The list of variables was read in MLX 0.32.4: those that can change the speed of a language model
on one machine. MLX reads all but one as integers, so only a plain number is recorded; anything
else, be it a word or a secret pasted into the wrong variable, is recorded as `HIDDEN`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re

import mlxbench

PACKAGES = ("mlx", "mlx-lm", "mlx-metal", "mlx-cpu", "mlx-cuda-12", "mlx-cuda-13")

VARIABLES = (
    "MLX_BFS_MAX_WIDTH",
    "MLX_CUDA_GRAPH_CACHE_SIZE",
    "MLX_CUDA_SDPA_CACHE_SIZE",
    "MLX_CUDA_USE_CUDNN_SDPA",
    "MLX_DISABLE_COMPILE",  # any value, even an empty one, turns compiling off
    "MLX_ENABLE_TF32",
    "MLX_MAX_MB_PER_BUFFER",
    "MLX_MAX_OPS_PER_BUFFER",
    "MLX_METAL_FAST_SYNCH",
    "MLX_METAL_GPU_ARCH",
    "MLX_RESIDENCY_SET_MAX_PCT",
    "MLX_SDPA_BLOCKS",
    "MLX_USE_CUDA_GRAPHS",
)

HIDDEN = "(set, not a number)"
NUMBER = re.compile(r"-?[0-9]{1,9}")


def collect_versions() -> dict[str, str]:
    """Versions of what runs here, from package metadata: nothing is imported to learn them."""
    versions = {"python": platform.python_version(), "mlxbench": mlxbench.__version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def collect_variables() -> dict[str, str]:
    """The variables of the list that are set."""
    return {
        name: value if NUMBER.fullmatch(value) else HIDDEN
        for name in VARIABLES
        if (value := os.environ.get(name)) is not None
    }
