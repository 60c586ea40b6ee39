"""How a run begins in the store: the same for a single arm and for one of a comparison."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime
from random import SystemRandom

from mlxbench.environment.gates import check
from mlxbench.measure.opening import Opened
from mlxbench.records import Arm, Run
from mlxbench.redact import without_home
from mlxbench.store import Store, new_run_id

SEEDS_PER_SESSION = 1_000_000
SEED_BLOCKS = 2000  # so that seeds stay below 2^31


def utc_now() -> str:
    """The date as records keep it: a label, not a clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def prompt_seed(identifier: str) -> int:
    """Where the seeds of a run or comparison begin if a server takes part.

    A server may remember the prompts of earlier runs and answer them from a cache, so runs must not
    share prompts. Derived from the stored identifier: the prompts can be made again.
    """
    return zlib.crc32(identifier.encode()) % SEED_BLOCKS * SEEDS_PER_SESSION


def recorded(arm: Arm) -> Arm:
    """`arm` as the store keeps it: without the name of the home directory."""
    target = arm.target
    python = target.python and without_home(target.python)
    tokenizer = target.tokenizer and without_home(target.tokenizer)
    location = without_home(target.location)
    kept = replace(target, location=location, python=python, tokenizer=tokenizer)
    return replace(arm, target=kept)


def begin_run(store: Store, arm: Arm, opened: Opened, workload: str, command: str) -> Run:
    """Store a run that has no trials yet; home directories are left out."""
    checkpoint = opened.loaded.checkpoint
    run = Run(
        run_id=new_run_id(datetime.now(UTC), SystemRandom()),
        created_utc=utc_now(),
        command=command,
        arm=recorded(arm),
        workload=workload,
        environment=opened.environment,
        checkpoint=checkpoint and replace(checkpoint, directory=without_home(checkpoint.directory)),
        load_s=opened.load_s,
        predicted_memory_bytes=opened.predicted_bytes,
        resident=opened.resident,
        notices=check(opened.environment),
    )
    store.add_run(run)
    return run
