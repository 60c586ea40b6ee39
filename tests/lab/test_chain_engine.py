"""Chains of launches and of expert blocks, run for real."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest

from mlxbench.engines.mlx.kernels import provided
from mlxbench.errors import InputError
from mlxbench.lab import ablations, chain_engine
from mlxbench.records import Arm, Completed, Failed, Options, Target, Timed
from mlxbench.synthetic import Recipe, ensure
from tests.lab.other_families import FAMILIES, made
from tests.synthetic.shapes import MOE, TINY

TASK = Timed("decode", 1, 9)


@pytest.mark.parametrize("chain", [chain_engine.DEPENDENT, chain_engine.INDEPENDENT])
def test_a_chain_of_launches_has_a_stamp_before_and_one_after(chain: str) -> None:
    target = Target(chain_engine.NAME, chain, "")
    assert chain_engine.predict_memory(target, [Arm(target, TASK)]) is None
    trial = chain_engine.open(target).run(TASK, Options(), 0)
    assert isinstance(trial, Completed)
    assert trial.generated_tokens == 9
    assert 0 < trial.stamps[0] < trial.stamps[1] <= trial.duration_s


def test_the_dependent_chain_really_depends_and_the_other_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluated: list[list[list[float]]] = []
    plain = mx.eval

    def watched(*arrays: object) -> None:
        plain(*arrays)
        (one,) = arrays
        ends = one if isinstance(one, list) else [one]
        evaluated.append([[float(end[0]), end.size] for end in ends if isinstance(end, mx.array)])

    for chain, last in (("dependent", [[9.0, 32]]), ("independent", [[1.0, 32]] * 8)):
        loaded = chain_engine.open(Target(chain_engine.NAME, chain, ""))
        with monkeypatch.context() as patch:
            patch.setattr(mx, "eval", watched)
            loaded.run(TASK, Options(), 0)
        assert evaluated[-1] == last


@pytest.mark.parametrize("recipe", [TINY, Recipe("tiny-moe", MOE, layers=2, scales="f32")])
def test_blocks_run_with_what_an_arm_swaps_in_and_never_call_attention(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(chain_engine.NAME, "tiny/blocks", str(ensure(recipe, tmp_path)))
    options = Options(kernels=(ablations.MANUAL_ATTENTION,))
    needed = chain_engine.predict_memory(target, [Arm(target, TASK, options)])
    assert needed is not None
    loaded = chain_engine.open(target)
    monkeypatch.setattr(ablations, "attend", lambda *_: pytest.fail("attention was called"))
    with provided(ablations.installers()):
        trial = loaded.run(TASK, options, 3)
    assert isinstance(trial, Completed)
    assert (trial.generated_tokens, len(trial.stamps)) == (9, 2)
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.shape is not None
    loaded.close()


def test_an_arm_that_swaps_in_what_nobody_provided_is_refused(tmp_path: Path) -> None:
    loaded = chain_engine.open(Target(chain_engine.NAME, "t/blocks", str(ensure(TINY, tmp_path))))
    with pytest.raises(InputError, match="no kernel 'nothing' is at hand"):
        loaded.run(TASK, Options(kernels=("nothing",)), 0)


def test_a_chain_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="no chain 'sideways'"):
        chain_engine.open(Target(chain_engine.NAME, "sideways", ""))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_blocks_of_another_family_are_refused_before_they_are_loaded(
    family: str, tmp_path: Path
) -> None:
    target = Target(chain_engine.NAME, "other/blocks", str(made(family, tmp_path)))
    said = f"what comes after attention in a '{family}' is not known here; use a Qwen-3 model"
    with pytest.raises(InputError, match=said):
        chain_engine.predict_memory(target, [Arm(target, TASK)])
    with pytest.raises(InputError, match=said):
        chain_engine.open(target)


def test_a_fault_of_the_device_is_a_failed_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = chain_engine.open(Target(chain_engine.NAME, "dependent", ""))

    def broken(*_: object) -> None:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(mx, "eval", broken)
    trial = loaded.run(TASK, Options(), 0)
    assert isinstance(trial, Failed)
    assert "the device is gone" in trial.message
