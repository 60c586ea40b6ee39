"""How long do 100,000 stored trials take to list and to export? Run as a module:
`python -m benchmarks.store_scale`.

Times the store alone, opening it included: the newest 50 runs with their facts (what a list
needs), and every run with its facts (what an export needs). The temporary store is written
beforehand in one transaction.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlxbench
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Run,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.store import Store, new_run_id
from mlxbench.store.connecting import connect, transaction
from mlxbench.store.rows import insert_run

RUNS = 1_000
TRIALS_PER_RUN = 100
LISTED_RUNS = 50
REPEATS = 5
TOKENS = 128
START = datetime(2026, 11, 23, 4, 15, 22, tzinfo=UTC)
STEP_S = 0.02


def sample_run(index: int, draw: random.Random) -> Run:
    """A run of a usual size, each a minute after the one before."""
    began = START + timedelta(minutes=index)
    return Run(
        run_id=new_run_id(began, draw),
        created_utc=began.isoformat(),
        command="mlxbench decode --model qwen3-30b-a3b",
        arm=Arm(Target("mlx", "qwen3-30b-a3b", "models/qwen3-30b-a3b"), Timed("decode")),
        workload="natural text",
        environment=Environment(os="macOS", versions={"mlx": "0.32.4", "mlx-lm": "0.32.2"}),
        checkpoint=Checkpoint("qwen3-30b-a3b", "registry", "models/qwen3-30b-a3b"),
        status="done",
        trials=tuple(sample_trial(sequence, began, draw) for sequence in range(TRIALS_PER_RUN)),
    )


def sample_trial(sequence: int, began: datetime, draw: random.Random) -> TrialRecord:
    first = draw.uniform(0.4, 0.5)
    trial = Completed(
        clock="device",
        stamps=tuple(first + STEP_S * step for step in range(TOKENS)),
        duration_s=first + STEP_S * TOKENS,
        prompt_tokens=512,
        generated_tokens=TOKENS,
        batch_size=1,
        finish_reason="length",
        peak_memory_bytes=18_000_000_000,
        tokens=(tuple(range(TOKENS)),),
        native={"decode_tps": 50.0, "prefill_tps": 1000.0},
    )
    return TrialRecord(sequence, "measured", began.isoformat(), trial)


def fill(path: Path, seed: int) -> None:
    draw = random.Random(seed)
    connection = connect(path, create=True)
    with transaction(connection):
        for index in range(RUNS):
            insert_run(connection, sample_run(index, draw))
    connection.close()


def read_newest(path: Path) -> int:
    with Store.open(path, create=False) as store:
        runs = store.runs(limit=LISTED_RUNS)
        facts = store.trial_facts([run.run_id for run in runs])
    return sum(len(fact.status) for fact in facts.values())


def read_all(path: Path) -> int:
    with Store.open(path, create=False) as store:
        store.runs()
        facts = store.trial_facts()
    return sum(len(fact.status) for fact in facts.values())


def median_s(read: Callable[[Path], int], path: Path, expected: int) -> float:
    """The median time of `read`, which must find `expected` trials."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = read(path)
        times.append(time.perf_counter() - start)
        if found != expected:
            raise SystemExit(f"{found} trials read instead of {expected}")
    return statistics.median(times)


def measure(seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        fill(path, seed)
        return {
            "runs": RUNS,
            "trials": RUNS * TRIALS_PER_RUN,
            "store_bytes": path.stat().st_size,
            "newest_50_runs_s": median_s(read_newest, path, LISTED_RUNS * TRIALS_PER_RUN),
            "all_runs_s": median_s(read_all, path, RUNS * TRIALS_PER_RUN),
            "repeats": REPEATS,
            "seed": seed,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    versions = {
        "mlxbench": mlxbench.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "os": f"{platform.system()} {platform.release()}",
    }
    command = f"python -m benchmarks.store_scale --seed {options.seed}"
    summary = measure(options.seed) | {"command": command, "versions": versions}
    text = json.dumps(summary, indent=2)
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
