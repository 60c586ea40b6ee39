"""What spoils a measurement is collected, or refused when strict."""

from __future__ import annotations

import pytest

from mlxbench.errors import MeasurementError
from mlxbench.measure.gating import Gate
from mlxbench.records import Environment, Notice

FINE = Environment(thermal_level=0, power_source="ac", cpu_cores=8)
HOT = Environment(thermal_level=2, power_source="battery")
BUSY = Environment(accelerator_utilisation=0.5)


def codes(gate: Gate) -> list[str]:
    return [notice.code for notice in gate.notices()]


def now(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    """What the machine is like when it is asked again."""
    monkeypatch.setattr("mlxbench.measure.gating.conditions_now", lambda _: environment)


def test_a_fit_machine_gives_no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(strict=True)
    now(monkeypatch, FINE)
    gate.before(FINE)
    gate.again(FINE)
    assert gate.notices() == ()


def test_each_doubt_is_kept_once_in_the_order_of_its_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(strict=False)
    gate.before(BUSY)
    now(monkeypatch, HOT)
    gate.again(BUSY)
    gate.again(BUSY)
    assert codes(gate) == ["busy-accelerator", "thermal-pressure", "on-battery"]


def test_what_the_measurement_itself_keeps_busy_is_not_asked_about_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(strict=True)
    now(monkeypatch, BUSY)
    gate.again(FINE)
    assert gate.notices() == ()


def test_strict_refuses_before_the_first_trial() -> None:
    with pytest.raises(MeasurementError, match=r"GPU was 50% busy.*or leave out --strict"):
        Gate(strict=True).before(BUSY)


def test_strict_refuses_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(strict=True)
    gate.before(FINE)
    now(monkeypatch, HOT)
    with pytest.raises(MeasurementError, match="the machine is hot"):
        gate.again(FINE)


def test_a_simulated_machine_has_no_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    now(monkeypatch, HOT)
    gate = Gate(strict=True)
    gate.again(Environment())
    assert gate.notices() == ()


def test_a_warning_of_the_comparisons_own_never_refuses() -> None:
    gate = Gate(strict=True)
    gate.add(Notice("not-steady", "it drifted", "wait"))
    assert codes(gate) == ["not-steady"]
