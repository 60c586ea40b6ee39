"""What a model's shape says of its size and its speed, pure. Counts bytes, not GB or GiB.

- `shapes`: parameters, bytes on disk, bytes that one token reads.
- `modules`: the same of a checkpoint, by what it says of each of its modules.
- `gguf`: bytes that one token reads of the format behind Ollama's published figures.
- `memory`: what a task needs, and whether it fits.
- `chips`: the bandwidth that a chip's maker states.
- `ceilings`: the most that a bandwidth allows, over depth.
- `time_model`: where the rest of the time goes, in two constants fitted to measurements.
"""

from mlxbench.roofline.ceilings import bytes_per_token, ceiling_tps
from mlxbench.roofline.chips import BANDWIDTH, BANDWIDTH_BY_CORES, bandwidth_of
from mlxbench.roofline.gguf import q4_k_m_active_bytes
from mlxbench.roofline.memory import (
    CHAT_PROMPT_TOKENS,
    HEADROOM_PERCENT,
    KV_STEP_TOKENS,
    activation_bytes,
    fits,
    predicted_memory_bytes,
    task_memory_bytes,
)
from mlxbench.roofline.modules import ReadBytes, checkpoint_bytes, read_bytes, value_bytes
from mlxbench.roofline.shapes import (
    DENSE_TYPE,
    MIXTURE_TYPE,
    Parameters,
    active_bytes,
    kv_bytes_per_token,
    parameters,
    shape_from_config,
    weight_bytes,
)
from mlxbench.roofline.time_model import (
    LEAST_INDEPENDENCE,
    Observation,
    TimeModel,
    error_of,
    fit,
    leave_one_out,
)

__all__ = [
    "BANDWIDTH",
    "BANDWIDTH_BY_CORES",
    "CHAT_PROMPT_TOKENS",
    "DENSE_TYPE",
    "HEADROOM_PERCENT",
    "KV_STEP_TOKENS",
    "LEAST_INDEPENDENCE",
    "MIXTURE_TYPE",
    "Observation",
    "Parameters",
    "ReadBytes",
    "TimeModel",
    "activation_bytes",
    "active_bytes",
    "bandwidth_of",
    "bytes_per_token",
    "ceiling_tps",
    "checkpoint_bytes",
    "error_of",
    "fit",
    "fits",
    "kv_bytes_per_token",
    "leave_one_out",
    "parameters",
    "predicted_memory_bytes",
    "q4_k_m_active_bytes",
    "read_bytes",
    "shape_from_config",
    "task_memory_bytes",
    "value_bytes",
    "weight_bytes",
]
