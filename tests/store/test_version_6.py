"""Residents and a checkpoint's shape, as version 6 of the store brought them.

`tests/data/store_v6.sqlite` was made once, by adding `TOGETHER` to a new store; see
`test_old_versions` for why it is never made again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mlxbench.records import Arm, Checkpoint, Environment, Run, Shape, Target, Timed
from mlxbench.store import Store

GOLDEN_FILE = Path(__file__).parents[1] / "data" / "store_v6.sqlite"

TOGETHER = Run(
    run_id="20261127-043000-7c11d2",
    created_utc="2026-11-27T04:30:00Z",
    command="mlxbench decode --model qwen3-30b-a3b,qwen3-32b --resident",
    arm=Arm(Target("mlx", "qwen3-30b-a3b", "~/checkpoint"), Timed("decode")),
    workload="resident",
    environment=Environment(os="macOS"),
    checkpoint=Checkpoint(
        name="qwen3-30b-a3b",
        source="directory",
        directory="~/checkpoint",
        shape=Shape("qwen3_moe", 2048, 48, 32, 4, 128, 6144, 151_936, False, 128, 8, 768),
    ),
    status="done",
    predicted_memory_bytes=40_000_000_000,
    resident=("qwen3-32b",),
)


def test_a_store_of_version_6_gives_back_residents_and_shape(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copy(GOLDEN_FILE, path)
    with Store.open(path) as store:
        assert store.run(TOGETHER.run_id) == TOGETHER


def test_runs_of_older_versions_had_memory_to_themselves(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copy(GOLDEN_FILE.with_name("store_v5.sqlite"), path)
    with Store.open(path) as store:
        assert [run.resident for run in store.runs()] == [()]
