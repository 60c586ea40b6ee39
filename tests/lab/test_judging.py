"""How far an output may be from the truth, and what is said where it is further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.lab.creating import create
from mlxbench.lab.discovery import discover
from mlxbench.lab.experiment import Case, Experiment, Tolerance
from mlxbench.lab.judging import Judged, judge

CASE = Case("three values", {"values": 3})
TRUTH = np.array([1.0, 2.0, -4.0])


@pytest.fixture
def base(tmp_path: Path) -> Experiment:
    create("base", tmp_path)
    return discover(tmp_path)["base"].experiment


def judged(
    base: Experiment,
    output: list[float],
    tolerance: Tolerance,
    stock: list[float] | None = None,
    truth: np.ndarray = TRUTH,
    dtype: mx.Dtype = mx.float32,
) -> Judged:
    """The judgement of one output against `truth`."""
    usual = mx.array(stock or [float(value) for value in truth]).astype(dtype)
    experiment = replace(
        base,
        tolerances=(tolerance,),
        stock=lambda inputs, case: (usual,),
        reference=lambda inputs, case: (truth,),
        magnitudes=lambda inputs, case: (np.abs(truth),),
    )
    (one,) = judge(experiment, CASE, {}, (mx.array(output).astype(dtype),))
    return one


def test_a_rounding_is_allowed_and_two_are_not(base: Experiment) -> None:
    ulp = 2.0**-23
    assert judged(base, [1.0, 2.0, -4.0 + 2 * ulp], Tolerance(roundings=2.0)).fault is None
    found = judged(base, [1.0 + 64 * ulp, 2.0, -4.0], Tolerance(roundings=2.0, terms=1))
    assert found.fault is not None
    assert "1 of 3 too far" in found.fault
    assert "[0]" in found.fault


def test_indices_are_equal_or_not(base: Experiment) -> None:
    exact = Tolerance(exact=True)
    assert judged(base, [1.0, 2.0, -4.0], exact).fault is None
    assert judged(base, [1.0, 3.0, -4.0], exact).fault == "1 differ, the first at [1]: 3, not 2"


def test_nan_belongs_where_the_truth_has_it(base: Experiment) -> None:
    truth = np.array([np.nan, 2.0, np.inf])
    assert judged(base, [np.nan, 2.0, np.inf], Tolerance(), truth=truth).fault is None
    assert "NaN elsewhere" in str(judged(base, [1.0, 2.0, np.inf], Tolerance(), truth=truth).fault)
    assert judged(base, [np.nan, 2.0, -np.inf], Tolerance(), truth=truth).fault is not None


def test_a_plain_trick_may_be_as_far_off_as_stock_and_its_limit_says_so(base: Experiment) -> None:
    stock = [1.1, 2.0, -4.0]
    assert judged(base, stock, Tolerance(), stock).fault is not None
    found = judged(base, stock, Tolerance(like_stock=True), stock)
    assert found.fault is None
    assert found.max_error == pytest.approx(0.1, rel=1e-5)
    assert found.tolerance == pytest.approx(0.125, rel=1e-4)
    assert judged(base, [1.2, 2.0, -4.0], Tolerance(like_stock=True), stock).fault is not None
