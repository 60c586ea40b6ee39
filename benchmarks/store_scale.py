"""How long do 100,000 stored trials take to list and to export?

    python -m benchmarks.store_scale --output benchmarks/results/store_scale.json

Times the commands that people type, the start of Python included. The temporary store is written
beforehand in one transaction.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions
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
from mlxbench.store import new_run_id
from mlxbench.store.connecting import connect, transaction
from mlxbench.store.rows import insert_run

RUNS = 1_000
TRIALS_PER_RUN = 100
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


def median_s(path: Path, *arguments: str) -> float:
    """The median wall time of a command on the store."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        command = [sys.executable, "-c", "from mlxbench.cli import main; main()", *arguments]
        subprocess.run([*command, "--db", str(path)], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        fill(path, seed)
        return {
            "runs": RUNS,
            "trials": RUNS * TRIALS_PER_RUN,
            "store_bytes": path.stat().st_size,
            "results_list_s": median_s(path, "results", "list"),
            "results_list_50_s": median_s(path, "results", "list", "--limit", "50"),
            "results_export_s": median_s(path, "results", "export"),
            "results_export_every_run_s": median_s(path, "results", "export", "--every-run"),
            "repeats": REPEATS,
            "seed": seed,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    goal = "results list and results export under 1 s each"
    result = {"benchmark": "store_scale", "goal": goal, **conditions(), **measure(options.seed)}
    text = json.dumps(result, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
