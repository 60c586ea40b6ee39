"""Seeds of interleaved arms: the same prompt across engines in a round, none twice within one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mlxbench.measure.interleaving import Interleaved
from mlxbench.measure.opening import Opened
from mlxbench.records import Arm, Environment, Target, Timed
from mlxbench.store import Store
from tests.measure.fake_engine import ScriptedLoaded, trial

TASK = Timed("request", 16, 5)
LOCAL = Arm(Target("sim", "local", "itl=0.01"), TASK)
SERVED = Arm(Target("ollama", "m", "http://127.0.0.1:9", "server"), TASK)
OTHER = Arm(Target("ollama", "m", "http://127.0.0.1:8", "server"), TASK)
FIRST_SEED = 700


def seeds_of_rounds(
    folder: Path, arms: Sequence[Arm], orders: Sequence[Sequence[int]], warm_ups: int = 0
) -> list[list[int]]:
    """For each round the seed of each arm, in the order of the arms."""
    loaded = {arm.target: ScriptedLoaded(lambda _: trial(0.1)) for arm in arms}
    targets = {target: Opened(one, 0.0, Environment()) for target, one in loaded.items()}
    with Store.open(folder / "results.sqlite") as store:
        lanes = Interleaved(store, arms, targets, "", FIRST_SEED, lambda _: None)
        for _ in range(warm_ups):  # of the first arm alone, as when one takes longer to settle
            lanes._turn(0, "warmup")
        for order in orders:
            lanes.run_round(order)
    measured = [loaded[arm.target].seeds[-len(orders) :] for arm in arms]
    return [list(seeds) for seeds in zip(*measured, strict=True)]


@pytest.mark.parametrize("warm_ups", [0, 3])
def test_arms_of_two_engines_get_the_same_seed_whoever_goes_first(
    tmp_path: Path, warm_ups: int
) -> None:
    found = seeds_of_rounds(tmp_path, [LOCAL, SERVED], [(0, 1), (1, 0), (1, 0), (0, 1)], warm_ups)
    assert [a == b for a, b in found] == [True] * 4
    assert len({a for a, _ in found}) == 4


def test_two_arms_of_one_engine_never_get_the_same_seed(tmp_path: Path) -> None:
    found = seeds_of_rounds(tmp_path, [SERVED, OTHER], [(0, 1), (1, 0), (0, 1)])
    seeds = [seed for pair in found for seed in pair]
    assert len(set(seeds)) == len(seeds) == 6


def test_a_third_arm_of_a_known_engine_gets_a_seed_of_its_own(tmp_path: Path) -> None:
    found = seeds_of_rounds(tmp_path, [LOCAL, SERVED, OTHER], [(0, 1, 2), (2, 1, 0)])
    assert found[0][0] == found[0][1] != found[0][2]
    assert len({seed for row in found for seed in row}) == 4
