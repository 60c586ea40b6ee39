"""Kernels timed alone, as a terminal shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mlxbench.records import Arm, Run, Target, Timed, TrialRecord
from mlxbench.report import comparison
from mlxbench.report.kernel_timing import Benched
from mlxbench.store import Store
from tests.measure.compared_trials import compared, one_session, paced
from tests.report.roofline_samples import HERE

UTC = "2026-11-23T04:15:22Z"
WOBBLES = (0.004, 0.003, -0.004, -0.003, 0.001, 0.002, -0.001, -0.002)
WAYS = ("stock", "ours")


def read(path: Path) -> comparison.Read:
    """Two ways of an experiment, the second of which takes 5 % less time."""
    arms = tuple(
        Arm(Target("bench", f"mine/{way}", ""), Timed("decode", 1, 49, depth=0)) for way in WAYS
    )
    session, trials = one_session([paced(0.1, [0.0] * 8), paced(0.095, WOBBLES)])
    made = replace(compared([session]), arms=arms)
    with Store.open(path / "r.sqlite") as store:
        for (run_id, own), arm in zip(trials.items(), arms, strict=True):
            records = tuple(TrialRecord(i, "measured", UTC, one) for i, one in enumerate(own))
            store.add_run(Run(run_id, UTC, "mlxbench", arm, "comparison", HERE, trials=records))
        store.add_comparison(made)
        return comparison.read(store, made.comparison_id)


def lines(benched: Benched) -> list[str]:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        for part in benched.report():
            console.print(part)
    return captured.get().splitlines()


def test_ways_bear_the_letters_that_the_verdict_speaks_of(tmp_path: Path) -> None:
    found = lines(Benched("mine", "c", "metal", 1000, 1e9, (1, 2), (2, 1), read(tmp_path)))
    rows = {line.split()[0]: line.split()[1] for line in found if line[:1] in ("A", "B")}
    assert rows["A"] == "stock"
    assert any(line.startswith("B is 5.") and "faster than A" in line for line in found)
    assert next(line.split()[1] for line in found if line.startswith("B  ")) == "ours"


def test_a_launch_of_few_bytes_has_a_rate_other_than_zero(tmp_path: Path) -> None:
    """1000 bytes in 0.1 s are 10 kB/s, a hundred-thousandth of 1 GB/s."""
    found = lines(Benched("mine", "c", "metal", 1000, 1e9, (1, 2), (2, 1), read(tmp_path)))
    (stock,) = [line for line in found if line.startswith("A ")]
    assert stock.split()[-3:] == ["1e-05", "0.001", "%"]
    assert stock.split()[2] == "100,000"
