"""Lists hold what was measured of models, and no chains of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.lab import bench_engine, chain_engine
from mlxbench.records import Arm, Comparison, Target, Timed
from mlxbench.report import listed
from mlxbench.report.gathering import gather
from mlxbench.store import Store
from tests.store.store_samples import UTC, a_run, a_trial

LAB = (chain_engine.NAME, bench_engine.NAME)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A model's run and comparison first; then newer ones of each engine of the lab."""
    with Store.open(tmp_path / "r.sqlite") as opened:
        arm = a_run().arm
        for number, engine in enumerate(("mlx", *LAB)):
            target = replace(arm.target, engine=engine, model=f"{engine} model")
            own = replace(arm, target=target)
            run_id = f"20261123-04152{number}-a3f9"
            opened.add_run(replace(a_run(run_id), arm=own))
            opened.add_trial(run_id, a_trial(0))
            opened.finish_run(run_id, "done", ())
            opened.add_comparison(compared(f"20261123-05152{number}-a3f9", own, arm))
        yield opened


def compared(comparison_id: str, arm: Arm, other: Arm) -> Comparison:
    return Comparison(comparison_id, UTC, "mlxbench claims run", "decode", (arm, other), 0, 6.0)


def test_chains_are_in_no_list_whatever_its_length(store: Store) -> None:
    assert [run.arm.target.engine for run in store.runs()] == [*reversed(LAB), "mlx"]
    assert [run.arm.target.engine for run in listed.runs(store)] == ["mlx"]
    assert [run.arm.target.engine for run in listed.runs(store, 1)] == ["mlx"]
    ids = [one.comparison_id for one in listed.comparisons(store, 1)]
    assert ids == [one.comparison_id for one in listed.comparisons(store)]
    assert ids == ["20261123-051520-a3f9"]


def test_no_report_has_them(store: Store) -> None:
    gathered = gather(store, {})
    assert [row.engine for row in gathered.rows] == ["mlx"]
    assert [one.comparison.comparison_id for one in gathered.comparisons] == [
        "20261123-051520-a3f9"
    ]


def test_every_engine_that_the_lab_registers_is_known_to_time_parts() -> None:
    task = Timed("decode", 1, 9)
    assert all(listed.of_a_part(Arm(Target(name, "any", ""), task)) for name in LAB)
    assert not listed.of_a_part(a_run().arm)
