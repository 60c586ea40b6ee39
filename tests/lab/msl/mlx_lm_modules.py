"""mlx-lm's own modules with Metal kernels, loaded a second time so that ours run the kernels."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import mlx.core as mx
import mlx_lm
import mlx_lm.utils

from mlxbench.lab.msl import metal_kernel, metal_on_cpu

ROOT = Path(mlx_lm.__file__).parent


def with_kernels() -> set[str]:
    """Modules of mlx-lm that make a Metal kernel, below the package."""
    return {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in ROOT.rglob("*.py")
        if "mx.fast.metal_kernel(" in path.read_text(encoding="utf-8")
    }


def load(name: str, edit: Callable[[str], str] | None = None) -> ModuleType:
    """A private copy of a module, made where Metal seems to be; unmodified without an `edit`.

    `edit` changes the sources of its kernels. What it imports is imported before, and stays as it
    is.
    """
    full_name = f"mlx_lm.{name}"
    importlib.import_module(full_name)
    spec = importlib.util.find_spec(full_name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with (
        metal_on_cpu(claim_metal=True),
        mock.patch.object(mlx_lm.utils, "can_run_metal", lambda: True),
        mock.patch.object(mx.fast, "metal_kernel", _editing(edit)) if edit else nullcontext(),
    ):
        spec.loader.exec_module(module)
    return module


def _editing(edit: Callable[[str], str]) -> Callable[..., Any]:
    def make(*, source: str, **named: Any) -> Callable[..., list[mx.array]]:
        return metal_kernel(source=edit(source), **named)

    return make


def on_a_gpu() -> mock._patch[object]:
    """For wrappers that ask for the default device before they use their kernel."""
    return mock.patch.object(mx, "default_device", lambda: mx.gpu)
