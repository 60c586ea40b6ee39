"""What company cost, in words and for scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from mlxbench.measure import Job, Plan, Session
from mlxbench.measure.residency import measure_resident
from mlxbench.records import Checkpoint, Options, Run
from mlxbench.report.residency import (
    Shared,
    memory_table,
    residency_document,
    shared,
    speed_table,
)
from mlxbench.report.summary import Summary, summarise
from mlxbench.report.terminal import conditions, decode_table, results_table, shared_conditions
from mlxbench.store import Store
from tests.measure.comparing_sim import sim

MIB = 1 << 20
ONE = sim(f"itl=0.010,memory={96 * MIB},machine=ideal/0")
OTHER = sim(f"itl=0.020,memory={48 * MIB},machine=ideal/0")


def printed(part: RenderableType) -> str:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Callable[[int], list[Shared]]]:
    """`measured(trials)` holds both simulated models in memory."""
    with Store.open(tmp_path / "results.sqlite") as store:

        def measure(trials: int) -> list[Shared]:
            jobs = [Job(arm, Plan(trials, 0)) for arm in (ONE, OTHER)]
            found = measure_resident(jobs, Session(store, "", lambda _: None))

            def summed(run_id: str) -> Summary:
                return summarise(store.run(run_id), store.trial_facts([run_id])[run_id])

            pairs = zip(found.alone, found.together, strict=True)
            return [shared(summed(alone), summed(together)) for alone, together in pairs]

        yield measure


def test_an_undisturbed_pair_costs_nothing(measured: Callable[[int], list[Shared]]) -> None:
    found = measured(5)
    assert [one.verdict and one.verdict.word for one in found] == ["equivalent"] * 2
    text = printed(speed_table(found))
    assert "100" in text
    assert "+0.0%" in text
    assert "n = 5 and 5" in text


def test_memory_foretold_and_seen_stand_beside_each_other(
    measured: Callable[[int], list[Shared]],
) -> None:
    text = printed(memory_table(measured(3)))
    assert "96.0 MiB" in text
    assert "48.0 MiB" in text
    assert text.count("0.14 GiB") == 2


def test_too_few_trials_are_no_verdict(measured: Callable[[int], list[Shared]]) -> None:
    found = measured(2)
    assert "too few trials" in printed(speed_table(found))
    entries: list[dict[str, Any]] = residency_document(found)["residency"]
    assert [entry["verdict"] for entry in entries] == [None, None]


def test_scripts_find_both_runs_and_the_ratio(measured: Callable[[int], list[Shared]]) -> None:
    document = residency_document(measured(4))
    by_id = {result["run_id"]: result for result in document["results"]}
    assert len(by_id) == 4
    for entry in document["residency"]:
        assert by_id[entry["alone_run_id"]]["resident"] == []
        assert by_id[entry["together_run_id"]]["resident"] == entry["resident"] != []
        ratio = entry["ratio"]
        assert ratio["low"] <= 1 <= ratio["high"]


def test_tables_tell_runs_in_company_from_others(measured: Callable[[int], list[Shared]]) -> None:
    (one, _) = measured(3)
    text = printed(decode_table([one.alone, one.together]))
    assert text.count("beside") == 1
    listed = printed(results_table([one.alone, one.together]))
    assert listed.count("†") == 2  # the run and the caption
    assert "†" not in printed(results_table([one.alone]))


def test_random_weights_are_marked_in_both_tables(measured: Callable[[int], list[Shared]]) -> None:
    (one, other) = measured(3)

    def made_up(summary: Summary) -> Summary:
        arm = summary.run.arm
        target = replace(arm.target, synthetic=True)
        return replace(summary, run=replace(summary.run, arm=replace(arm, target=target)))

    marked = replace(one, alone=made_up(one.alone), together=made_up(one.together))
    for table in (speed_table, memory_table):
        assert printed(table([one, other])).count("*") == 0
        shown = printed(table([marked, other]))
        assert shown.count("*") == (2 if table is speed_table else 1)
        assert shown.count("synthetic: random weights") == (table is speed_table)


def test_models_of_other_bits_share_one_line_of_conditions(
    measured: Callable[[int], list[Shared]],
) -> None:
    (one, _) = measured(3)
    run = one.alone.run
    assert list(shared_conditions([run, run])) == [conditions(run)]

    def of(model: str, bits: float) -> Run:
        target = replace(run.arm.target, model=model)
        checkpoint = Checkpoint(model, "directory", "", bits_per_weight=bits)
        return replace(run, arm=replace(run.arm, target=target), checkpoint=checkpoint)

    (line,) = shared_conditions([of("a", 5.02), of("b", 5.01), of("a", 5.02)])
    assert line.startswith("a 5.02, b 5.01 bits/weight · ")
    (line,) = shared_conditions([of("a", 4.5), of("b", 4.5)])
    assert line.startswith("4.50 bits/weight · ")
    stepped = replace(run, arm=replace(run.arm, options=Options(kv_bits=8)))
    assert len(list(shared_conditions([run, stepped]))) == 2
