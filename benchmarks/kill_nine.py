"""Does the store lose a trial when its writer is killed? Run as `python -m benchmarks.kill_nine`.

A writer opens a store, records a session of a few trials, closes it and begins again; it prints a
line for each trial as soon as the store has acknowledged it. It is killed with SIGKILL at a random
moment: while making the store, committing, or moving the log into the database at close. Then the
store is opened again, and every acknowledged trial must be there, equal to what was written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import mlxbench
from mlxbench.records import Arm, Completed, Environment, Run, Target, Timed, TrialRecord
from mlxbench.store import Store

ROOT = Path(__file__).resolve().parents[1]
POINTS_PER_STORE = 10  # each store is also made once, and recovered several times
LONGEST_DELAY_S = 0.08  # about five sessions
TRIALS_PER_SESSION = 5
ENDLESS = 1_000_000

Acknowledged = set[tuple[str, int]]


def sample_run(run_id: str) -> Run:
    target = Target(engine="mlx", model="tiny-moe", location="tiny-moe", synthetic=True)
    return Run(
        run_id=run_id,
        created_utc="2026-11-23T04:15:22Z",
        command="mlxbench decode --model tiny-moe",
        arm=Arm(target, Timed("decode")),
        workload="natural text",
        environment=Environment(os="Linux"),
    )


def sample_trial(sequence: int) -> TrialRecord:
    """A trial as large as a usual one, the same each time for the same `sequence`."""
    draw = random.Random(sequence)
    count = 128
    trial = Completed(
        clock="device",
        stamps=tuple(sorted(draw.uniform(0.0, 3.0) for _ in range(count))),
        duration_s=3.0,
        prompt_tokens=512,
        generated_tokens=count,
        batch_size=1,
        finish_reason="length",
        tokens=(tuple(draw.randrange(151_936) for _ in range(count)),),
    )
    return TrialRecord(sequence, "measured", "2026-11-23T04:15:22Z", trial)


def write(path: Path, prefix: str, sessions: int, trials: int) -> None:
    """The writer: one line "ready", then `RUN SEQUENCE` for each acknowledged trial."""
    os.write(1, b"ready\n")
    for session in range(sessions):
        run_id = f"{prefix}-{session:04d}"
        with Store.open(path) as store:
            store.add_run(sample_run(run_id))
            for sequence in range(trials):
                store.add_trial(run_id, sample_trial(sequence))
                os.write(1, f"{run_id} {sequence}\n".encode())  # at once: never half a line
            store.finish_run(run_id, "done", ())


def kill_a_writer(path: Path, prefix: str, delay_s: float) -> Acknowledged:
    """Let a writer work on the store for `delay_s`, kill it, and return what it acknowledged."""
    command = [sys.executable, "-m", "benchmarks.kill_nine", "--write", str(path)]
    command += ["--prefix", prefix, "--trials", str(TRIALS_PER_SESSION)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        if writer.stdout.readline() != "ready\n":
            raise SystemExit("the writer did not start")
        time.sleep(delay_s)
        writer.kill()
        lines = writer.stdout.read().splitlines()
    if writer.returncode != -9:
        raise SystemExit(f"the writer ended by itself with status {writer.returncode}")
    return {(run_id, int(sequence)) for run_id, sequence in map(str.split, lines)}


def missing(path: Path, acknowledged: Acknowledged) -> Acknowledged:
    """The acknowledged trials that the reopened store does not give back as they were."""
    with Store.open(path) as store:
        found = {
            (run.run_id, record.sequence)
            for run in map(store.run, {run_id for run_id, _ in acknowledged})
            for record in run.trials
            if record == sample_trial(record.sequence)
        }
    return acknowledged - found


def is_intact(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def kill_points(points: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill `points` writers and sum up what was lost."""
    draw = random.Random(seed)
    total = lost = damaged = silent = 0
    remaining = iter(range(points))
    while batch := list(islice(remaining, POINTS_PER_STORE)):
        path = folder / f"store-{batch[0]}.sqlite"
        kept: Acknowledged = set()
        for point in batch:
            new = kill_a_writer(path, f"p{point}", draw.uniform(0.0, LONGEST_DELAY_S))
            kept |= new
            total += len(new)
            silent += not new
            lost += len(missing(path, kept))
            damaged += not is_intact(path)
    return {
        "kill_points": points,
        "acknowledged_trials": total,
        "lost_trials": lost,
        "damaged_stores": damaged,
        "killed_before_the_first_trial": silent,
        "seed": seed,
    }


def versions() -> dict[str, str]:
    return {
        "mlxbench": mlxbench.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "os": f"{platform.system()} {platform.release()}",
    }


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--write", type=Path, metavar="STORE", help="be the writer")
    parser.add_argument("--prefix", default="w", help="of the writer's run ids")
    parser.add_argument("--sessions", type=int, default=ENDLESS, help="of the writer")
    parser.add_argument("--trials", type=int, default=TRIALS_PER_SESSION, help="of a session")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.write:
        write(options.write, options.prefix, options.sessions, options.trials)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        summary = kill_points(options.points, options.seed, Path(folder))
    command = f"python -m benchmarks.kill_nine --points {options.points} --seed {options.seed}"
    text = json.dumps(summary | {"command": command, "versions": versions()}, indent=2)
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n")
    return 1 if summary["lost_trials"] or summary["damaged_stores"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
