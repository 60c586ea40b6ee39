"""Two arms that differ never read the same, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from mlxbench.measure.comparing import Design, compare
from mlxbench.records import Arm, ExpertBias, Options, Routing, Sampler, Target, Timed
from mlxbench.report import comparison
from mlxbench.report.arms import describe, described
from mlxbench.report.gathering import gather
from mlxbench.report.page.comparisons import compared
from mlxbench.report.plots import plots, svg
from mlxbench.store import Store
from tests.measure.comparing_sim import sim
from tests.report.plotted import texts

ARM = Arm(Target("mlx", "tiny", "somewhere"), Timed("decode"))
SHARED = "same name, other bytes "


def variants(value: Any) -> Iterator[Any]:
    """The value with each of its fields changed, one at a time, and those of its parts."""
    for field in fields(value):
        own = getattr(value, field.name)
        changed = variants(own) if is_dataclass(own) else [another(field.name, own)]
        for one in changed:
            yield replace(value, **{field.name: one})


def another(name: str, own: Any) -> Any:
    special = {
        "kernels": ("fused@0a1b",),
        "routing": Routing(2),
        "kind": "request",
        "mode": "stepped",
        "kv_bits": 8,
        "source": "server",
    }
    if name in special:
        return special[name]
    if isinstance(own, bool):
        return not own
    return own + 1 if isinstance(own, int | float) else f"{own} other"


def test_every_field_in_which_arms_may_differ_tells_them_apart() -> None:
    every = list(variants(ARM))
    assert len(every) == len(set(every)) == 11 + 6 + 4 + 5
    for one in every:
        first, second = described([ARM, one])
        assert set(first) != set(second), one
        assert set(second) - set(first) or set(first) - set(second)
    assert len(set(described([ARM, *every]))) == 1 + len(every)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Options(kernels=(f"fused@{SHARED}1",)), Options(kernels=(f"fused@{SHARED}2",))),
        (Options(kv_bits=8), Options(kv_bits=8, kv_group_size=32)),
        *[
            (Options(routing=Routing(None, one)), Options(routing=Routing(None, other)))
            for one, other in [
                ((ExpertBias(None, 1, -1e9),), (ExpertBias(None, 2, -1e9),)),
                (
                    tuple(ExpertBias(layer, 1, 1.0) for layer in range(90)),
                    tuple(ExpertBias(layer, 1, 1.0 + layer // 89) for layer in range(90)),
                ),
            ]
        ],
    ],
)
def test_what_the_usual_words_leave_out_is_added(one: Options, other: Options) -> None:
    first, second = described([replace(ARM, options=one), replace(ARM, options=other)])
    assert first != second
    assert max(map(len, (*first, *second))) < 100


def test_an_arm_against_itself_reads_as_itself() -> None:
    assert described([ARM, ARM]) == [("tiny", "tg128")] * 2


def test_an_arm_is_described_by_what_is_special_about_it() -> None:
    arm = sim("itl=0.01")
    assert describe(arm) == "sim:itl=0.01, tg32"
    changed = replace(
        arm,
        target=Target("mlx", "tiny", "x", synthetic=True, python="python3.12"),
        task=Timed("decode", 64, 32, 16, 4, "stepped", Sampler(0.6, 0.95, 20)),
        options=replace(arm.options, kv_bits=8, prefill_step_size=512),
    )
    assert describe(changed) == (
        "tiny (synthetic), tg32 @ d16 × b4, stepped, temperature 0.6, top-p 0.95, top-k 20, "
        "KV 8 bit, prefill step 512, python python3.12"
    )


def test_a_comparison_of_samplers_says_so_in_lists_pages_and_plots(tmp_path: Path) -> None:
    greedy = sim("itl=0.01,machine=typical/1")
    assert isinstance(greedy.task, Timed)
    sampled = replace(greedy, task=replace(greedy.task, sampler=Sampler(0.6)))
    with Store.open(tmp_path / "r.sqlite") as store:
        compare([greedy, sampled], Design("decode", pairs=6), store, lambda _: None)
        gathered = gather(store, {})
    (found,) = gathered.comparisons
    for made in (comparison.list_table([found]), next(iter(comparison.report(found)))):
        assert isinstance(made, Table)
        assert "temperature 0.6" in "".join(str(cell) for cell in made.columns[1].cells)
    assert compared(gathered, found).title.endswith("B: temperature 0.6")
    (plot,) = plots(gathered)
    drawn = texts(svg(plot))
    assert "temperature 0.6" in drawn
    assert "against the default" in drawn
