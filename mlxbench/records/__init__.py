"""The nouns of mlxbench, each one frozen dataclass.

An **arm** is what one measures: a *target* (which engine, which model), a *task* (what it is asked
to do) and *options* (how the engine is set while it does it). Running an arm once gives a
**trial**: a bag of raw facts, never a rate. Rates and intervals are derived from trials on read, so
that a better statistic also works on old records.

SI units throughout, the unit in the name. Unknown is `None`, never 0 or infinity.
"""

from mlxbench.records.models import (
    Checkpoint,
    Reference,
    Shape,
    Source,
    Target,
)
from mlxbench.records.runs import (
    MACHINE_FIELDS,
    ComparedSession,
    Comparison,
    Environment,
    Metric,
    Run,
    RunStatus,
    machine_key,
)
from mlxbench.records.tasks import (
    BAN,
    GREEDY,
    PIN,
    Arm,
    ExpertBias,
    Generate,
    Kind,
    Message,
    Mode,
    Options,
    Probe,
    Question,
    Request,
    Routing,
    Sampler,
    Task,
    Timed,
)
from mlxbench.records.trials import (
    Clock,
    Completed,
    Failed,
    FailureReason,
    FinishReason,
    Notice,
    Phase,
    Trial,
    TrialRecord,
)

# History of the stored and exported records; `store` upgrades step by step and refuses newer ones.
#   1  2026-11: runs, trials, checkpoints, environments
#   2  2026-11: comparisons
#   3  2026-11: servers: their targets, requests and checkpoints
#   4  2026-11: probes, and routers changed
#   5  2026-11: kernels swapped into a model
#   6  2026-11: models resident together, and a checkpoint's shape
SCHEMA_VERSION = 6

__all__ = [
    "BAN",
    "GREEDY",
    "MACHINE_FIELDS",
    "PIN",
    "SCHEMA_VERSION",
    "Arm",
    "Checkpoint",
    "Clock",
    "ComparedSession",
    "Comparison",
    "Completed",
    "Environment",
    "ExpertBias",
    "Failed",
    "FailureReason",
    "FinishReason",
    "Generate",
    "Kind",
    "Message",
    "Metric",
    "Mode",
    "Notice",
    "Options",
    "Phase",
    "Probe",
    "Question",
    "Reference",
    "Request",
    "Routing",
    "Run",
    "RunStatus",
    "Sampler",
    "Shape",
    "Source",
    "Target",
    "Task",
    "Timed",
    "Trial",
    "TrialRecord",
    "machine_key",
]
