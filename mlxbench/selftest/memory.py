"""Memory: what a model takes, and whether that was foreseen before it was loaded.

A prediction that is too low lets a run begin that the machine cannot end; one that is far too high
refuses what would fit. MLX's peak holds everything that the process has in memory, so what lay
there before is taken off.
"""

from __future__ import annotations

from mlxbench.report.format import memory
from mlxbench.selftest.checked import Checked

MIB = 1 << 20
WEIGHTS_TOLERANCE = 0.05  # rounding up to pages, tensor by tensor
SMALL_BYTES = 4 * MIB  # what the runtime keeps itself, and counts in a tiny model
OVER_BYTES = 64 * MIB  # more than the peak itself and this: a model may be refused that would fit


def weights(topic: str, active_bytes: int, weight_bytes: int) -> Checked:
    """What loading took, against the sum of the tensors in the files."""
    allowed = WEIGHTS_TOLERANCE * weight_bytes + SMALL_BYTES
    return Checked(
        topic,
        "weights in memory",
        abs(active_bytes - weight_bytes) <= allowed,
        memory(active_bytes),
        f"{memory(weight_bytes)} ± {memory(round(allowed))}",
        "what loading the model took, against the tensors in its files",
        {"active_bytes": active_bytes, "weight_bytes": weight_bytes},
    )


def prediction(topic: str, test: str, peak_bytes: int, predicted_bytes: int) -> Checked:
    """The peak of a trial, against what was predicted from config and headers."""
    high = predicted_bytes + SMALL_BYTES
    spare = predicted_bytes - peak_bytes
    far = spare > max(peak_bytes, OVER_BYTES)
    said = "peak memory against what was predicted before loading"
    return Checked(
        topic,
        f"memory, {test}",
        None if far else peak_bytes <= high,
        f"{memory(peak_bytes)} ({peak_bytes / predicted_bytes:.0%} of the prediction)",
        f"at most {memory(high)}",
        said + ("; far more was predicted than was needed" if far else ""),
        {"peak_bytes": peak_bytes, "predicted_bytes": predicted_bytes},
    )
