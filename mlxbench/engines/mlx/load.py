"""Bring a checkpoint into memory, completely, before anything is timed."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generation_stream
from mlx_lm.utils import load_model

from mlxbench.errors import CheckpointError, MeasurementError


def load(directory: Path) -> Any:
    """The mlx-lm model of a checked checkpoint, its parameters evaluated.

    Left lazy, the weights would be read from disk inside the first timed forward. Raises
    CheckpointError when mlx-lm does not know the model or its tensors, MeasurementError when the
    device has no memory for it.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout carries our own document only
            model, _ = load_model(directory, lazy=True, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"mlx-lm cannot load {directory} ({_first_line(error)})",
            "check its model_type, or `mlxbench models verify` it",
        ) from error
    try:
        mx.eval(model.parameters())
    except RuntimeError as error:
        raise MeasurementError(
            f"loading {directory} failed on the device ({_first_line(error)})",
            "free memory, or choose a smaller model",
        ) from error
    # What the imports left behind lives for ever: take it out of every later collection, which
    # would otherwise fall into a timed loop now and then.
    gc.collect()
    gc.freeze()
    return model


@contextlib.contextmanager
def wired_limit() -> Iterator[None]:
    """On Metal keep the weights wired, as mlx-lm does while it generates; elsewhere do nothing.

    A limit over the recommended working set raises in mlx, so exactly that is set.
    """
    recommended = mx.device_info().get("max_recommended_working_set_size")
    if not isinstance(recommended, int):
        yield
        return
    before = mx.set_wired_limit(recommended)
    try:
        yield
    finally:
        mx.synchronize(generation_stream)
        mx.set_wired_limit(before)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def release() -> None:
    """Return the memory of a dropped model to the system."""
    gc.unfreeze()
    gc.collect()
    mx.clear_cache()
