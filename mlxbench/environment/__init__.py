"""What a measurement runs on, so that a rate can be judged years later.

`collect()` is put together from topics, each read by one small function. Two rules hold for all
of them:

- **By allow-list.** A topic picks the one value it wants out of a source. Serial numbers, UUIDs,
  host and user names and free-form variables stay in the source because nothing ever picks them.
- **Silent when absent.** A missing tool, a refused file, a malformed or late answer gives `None`,
  which reads as "unknown", never as "fine". An environment that cannot be read must not stop a
  measurement.

Where a topic comes from differs by system (`macos`, `linux`); what the accelerator tells comes from
MLX (`mlx_device`). `gates` turns an environment into warnings, `memory` into a budget.
"""

from __future__ import annotations

import dataclasses
import sys

from mlxbench.environment import linux, macos
from mlxbench.environment.host import load_1m
from mlxbench.environment.mlx_device import collect_accelerator
from mlxbench.environment.software import collect_variables, collect_versions
from mlxbench.records import Environment


def collect() -> Environment:
    """Everything known about this machine now, from inside the interpreter that measures."""
    load = load_1m()  # first: reading the rest is itself a little load
    host = macos.collect_host() if sys.platform == "darwin" else linux.collect_host()
    accelerator = collect_accelerator()
    return dataclasses.replace(
        host,
        accelerator=accelerator.name,
        accelerator_backend=accelerator.backend,
        accelerator_memory_bytes=accelerator.memory_bytes,
        versions=collect_versions(),
        variables={**host.variables, **collect_variables()},
        load_1m=load,
    )


def conditions_now(before: Environment) -> Environment:
    """`before` with what may have changed since: heat, power, pressure, swap, load."""
    collect = macos.collect_conditions if sys.platform == "darwin" else linux.collect_conditions
    return dataclasses.replace(collect(before), load_1m=load_1m())
