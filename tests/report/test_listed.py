"""Lists hold what was measured of models, and no chains of kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from mlxbench.errors import InputError
from mlxbench.lab import bench_engine, chain_engine
from mlxbench.measure.lab_note import SAMPLER
from mlxbench.records import (
    GREEDY,
    Arm,
    Comparison,
    Options,
    Probe,
    Routing,
    Sampler,
    Target,
    Timed,
)
from mlxbench.report import comparison, listed, parts
from mlxbench.report.gathering import gather
from mlxbench.report.summary import summarise
from mlxbench.report.terminal import decode_table, results_table, run_report
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


def test_chains_are_in_no_list(store: Store) -> None:
    assert [run.arm.target.engine for run in store.runs()] == [*reversed(LAB), "mlx"]
    assert [run.arm.target.engine for run in listed.runs(store)] == ["mlx"]
    ids = [one.comparison_id for one in listed.comparisons(store)]
    assert ids == ["20261123-051520-a3f9"]


def test_no_report_has_them(store: Store) -> None:
    gathered = gather(store, {})
    assert [row.engine for row in gathered.rows] == ["mlx"]
    assert [one.comparison.comparison_id for one in gathered.comparisons] == [
        "20261123-051520-a3f9"
    ]


def test_every_engine_that_the_lab_registers_is_known_to_time_parts() -> None:
    task = Timed("decode", 1, 9)
    assert all(parts.of_a_part(Arm(Target(name, "any", ""), task)) for name in LAB)
    assert not parts.of_a_part(a_run().arm)
    assert f"/{chain_engine.BLOCKS}" == parts.BLOCKS


def test_a_chain_is_shown_in_launches_and_passes_and_never_in_tokens(store: Store) -> None:
    newest = store.runs()[0].run_id
    run = store.run(newest)
    (facts,) = store.trial_facts([newest]).values()
    shown = printed(*run_report(summarise(run, facts)))
    assert "2 launches" in shown
    assert shown.count("launches/s") == 2  # of the run, and of each trial
    assert not re.search(r"tok|tg\d|greedy|pipelined", shown)
    blocks = replace(run, arm=replace(run.arm, target=Target("chain", "tiny/blocks", "")))
    assert "2 passes" in printed(decode_table([summarise(blocks, facts)]))


def test_a_comparison_of_chains_is_about_the_time_of_a_launch(store: Store) -> None:
    chains = [run.arm for run in store.runs() if parts.of_a_part(run.arm)]
    store.add_comparison(replace(compared("20261123-061520-a3f9", *chains), comparison_id="chains"))
    shown = printed(*comparison.report(comparison.read(store, "chains")))
    assert "speed (mean time per launch)" in shown
    assert not re.search(r"tok|tg\d", shown)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("20261123-041520-a3f9", ("20261123-041520-a3f9", False)),
        ("20261123-041520", ("20261123-041520-a3f9", False)),
        ("20261123-051520-a3f9", ("20261123-051520-a3f9", True)),
        ("20261123-051520", ("20261123-051520-a3f9", True)),
    ],
)
def test_the_start_of_an_identifier_finds_the_only_one(
    store: Store, prefix: str, expected: tuple[str, bool]
) -> None:
    assert listed.full_id(store, prefix) == expected


def test_a_whole_identifier_wins_over_longer_ones(store: Store) -> None:
    arm = a_run().arm
    store.add_comparison(compared("20261123-041520", arm, arm))
    assert listed.full_id(store, "20261123-041520") == ("20261123-041520", True)
    store.add_run(a_run("20261123-0515"))
    assert listed.full_id(store, "20261123-0515") == ("20261123-0515", False)


def test_a_start_that_runs_and_comparisons_share_says_how_many_and_names_some(
    store: Store,
) -> None:
    with pytest.raises(InputError, match=r"^3 runs and 3 comparisons start with '2026'") as raised:
        listed.full_id(store, "2026")
    assert "give more of it: 20261123-051522-a3f9, 20261123-051521-a3f9" in str(raised.value)
    with pytest.raises(InputError, match=r"^3 runs start with '20261123-04'"):
        listed.full_id(store, "20261123-04")
    with pytest.raises(InputError, match=r"^no run 'x', and no comparison"):
        listed.full_id(store, "x")


def test_a_shortened_list_says_how_long_it_is() -> None:
    assert listed.left_out(20, range(22), "runs") == "20 of 22 runs; --limit 22 shows all"
    assert listed.left_out(22, range(22), "runs") is None


def test_settings_stand_with_the_test_and_fold_alone_at_80_columns(store: Store) -> None:
    (facts,) = store.trial_facts(["20261123-041520-a3f9"]).values()
    run = store.run("20261123-041520-a3f9")
    target = replace(run.arm.target, engine="mlx", model="qwen3-235b-a22b")
    drawn = Timed("decode", 512, 128, mode="stepped", sampler=Sampler(0.6, 0.95, 20))
    arms = [
        Arm(target, Timed("decode")),
        Arm(target, drawn, Options(kv_bits=8, routing=Routing(2))),
        Arm(target, Probe("fomo", (), 1, SAMPLER, 9)),
        Arm(target, Probe("fomo", (), 1, GREEDY, 9)),
    ]
    shown = printed(
        results_table([summarise(replace(run, arm=arm, resident=("tiny",)), facts) for arm in arms])
    )
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if line.startswith("2026")]
    assert len(rows) == len(arms)
    assert all("qwen3-235b-a22b*†" in row for row in rows)
    begin, end = (lines[0].index(name) for name in ("test", "tok/s"))
    tests = " ".join(line[begin:end].strip() for line in lines)
    for said in ("stepped, temperature 0.6, top-p 0.95, top-k 20, KV 8 bit, 2 experts", "greedy"):
        assert said in " ".join(tests.split())
    assert tests.count("temperature") == 1


def printed(*found: RenderableType) -> str:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        for part in found:
            console.print(part)
    return captured.get()
