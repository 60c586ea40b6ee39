"""Will it fit? Asked before a single tensor is read."""

from __future__ import annotations

from collections.abc import Sequence

from mlxbench import engines
from mlxbench.environment.memory import usable_memory_bytes
from mlxbench.environment.mlx_device import collect_accelerator
from mlxbench.errors import DoesNotFitError
from mlxbench.records import Arm, Target
from mlxbench.roofline import fits

GIB = 1 << 30


def needed_bytes(target: Target, arms: Sequence[Arm]) -> int | None:
    """What `target` will need with the largest of the `arms` that run on it; `None` if unknown."""
    own = [arm for arm in arms if arm.target == target]
    return engines.engine(target.engine).predict_memory(target, own)


def usable_bytes() -> int | None:
    """What a measurement may take on this machine now."""
    accelerator = collect_accelerator()
    return usable_memory_bytes(accelerator.backend, accelerator.memory_bytes)


LOWER = (
    "close other programs, choose a smaller model, lower --depth, --prompt-tokens, "
    "--prefill-step-size or --batch-size, or quantise the KV cache with --kv-bits 8"
)


def refuse_unless_it_fits(name: str, needed: int | None, advice: str = LOWER) -> None:
    """Raises DoesNotFitError with the figures and what may help."""
    usable = usable_bytes()
    if needed is None or usable is None or fits(needed, usable):
        return
    raise DoesNotFitError(
        f"{name} needs about {needed / GIB:.1f} GiB (weights, KV cache, activations and 10 % "
        f"headroom) and {usable / GIB:.1f} GiB are usable",
        advice,
    )
