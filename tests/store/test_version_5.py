"""Kernels among an arm's options, as version 5 of the store brought them.

`tests/data/store_v5.sqlite` was made once, by adding `SWAPPED` to a new store; see
`test_old_versions` for why it is never made again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mlxbench.records import Arm, Environment, Options, Run, Target, Timed
from mlxbench.store import Store

GOLDEN_FILE = Path(__file__).parents[1] / "data" / "store_v5.sqlite"

SWAPPED = Run(
    run_id="20261127-032500-36f8a2",
    created_utc="2026-11-27T03:25:00Z",
    command="mlxbench kernels decode --with softmax_topk,moe_experts",
    arm=Arm(
        Target("mlx", "qwen3-30b-a3b", "~/checkpoint"),
        Timed("decode"),
        Options(kernels=("softmax_topk@0123abcd", "moe_experts@4567cdef")),
    ),
    workload="comparison",
    environment=Environment(os="macOS"),
    status="done",
)


def test_a_store_of_version_5_gives_back_the_kernels(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copy(GOLDEN_FILE, path)
    with Store.open(path) as store:
        assert store.run(SWAPPED.run_id) == SWAPPED
