"""What would spoil a measurement now, and how to fix it.

`read` reads the machine, `examine` judges what was read, and `blocking` says what stands against
measuring. Nothing is measured, loaded or changed.

**What is a problem.** Only what makes a measurement wrong or impossible: no MLX, one too old, or
one that cannot open a device; an Intel Python under Rosetta; another mlxbench at work; a store that
cannot be written; a model that does not fit, cannot be fetched, or whose files are damaged.
Everything else is a warning: the measurement works and says so beside its figures. A topic that the
machine does not tell is unknown, which never blocks.

**What leaves this package** may be shown to strangers. Values are picked by allow-list, programs
are named without their folders, and every text goes through `redact`.

- `machine` reads, `finding` is the noun, `examining` puts the topics together
- `software`: Python, MLX, the backend, variables, a compiler for kernels
- `accelerator`: other users of the GPU, another mlxbench
- `servers`: Ollama and what it holds
- `conditions`: heat, power, sleep, load; `memory`: pressure, swap, the wired limit, what fits
- `storage`: the result store and the checkpoints' disk; `model`: the one to be measured
- `units`: sizes in words
"""

from mlxbench.doctor.examining import examine
from mlxbench.doctor.finding import STATUSES, Finding, Status, blocking
from mlxbench.doctor.machine import Machine, read

__all__ = ["STATUSES", "Finding", "Machine", "Status", "blocking", "examine", "read"]
