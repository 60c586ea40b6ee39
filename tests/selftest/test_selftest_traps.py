"""Calls that come back before the device is done are found out, on the real device."""

from __future__ import annotations

import mlx.core as mx
import pytest

from mlxbench.lab.device_checks import asynchrony
from mlxbench.lab.device_checks.asynchrony import Asynchrony, Calls, Work
from mlxbench.selftest import traps
from mlxbench.selftest.checked import Checked
from tests.selftest.samples import only


@pytest.fixture(scope="module")
def piece() -> Work:
    return asynchrony.work(0.05)


def judged(piece: Work, calls: Calls) -> list[Checked]:
    found = [asynchrony.measure(piece, calls) for _ in range(3)]
    return list(traps.check(found, piece.operations))


def test_the_calls_that_the_engine_uses_wait(piece: Work) -> None:
    found = judged(piece, Calls())
    assert only(found, "mx.eval waits").passed is True
    assert only(found, "synchronize waits").passed is True


def test_an_evaluation_that_only_dispatches_is_found_out(piece: Work) -> None:
    found = judged(piece, Calls(evaluate=mx.async_eval))
    assert only(found, "mx.eval waits").passed is False


def test_waiting_for_another_stream_is_found_out(piece: Work) -> None:
    found = judged(piece, Calls(wait=mx.synchronize))
    assert only(found, "synchronize waits").passed is False


def test_how_deep_the_traps_are_is_told_and_not_judged() -> None:
    found = list(traps.check([Asynchrony(0.2, 0.2, 0.0, 0.001, 0.2, 0.0, 0.15, 0.05)], 10**9))
    dispatch, bare = only(found, "mx.async_eval alone"), only(found, "bare mx.synchronize")
    assert (dispatch.passed, bare.passed) == (None, None)
    assert "200 times the rate" in dispatch.sentence
    assert "not seen here" in bare.sentence
    assert only(found, "matrix products").value == "5 Gflop/s"
