"""The noise of virtual machines has the size, the shape and the timing that the regimes state.

Each kind is measured alone, on machines that have no other, over enough draws for an error of the
estimate of a few per cent. Bounds are four of its standard errors: one in 16,000 by chance, and the
seeds are fixed.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mlxbench.engines.sim.machine import IDEAL, Machine
from mlxbench.engines.sim.regimes import RAMP_SHARES, REGIMES, STALL_LOG_SD, Regime

Floats = NDArray[np.float64]
STEP_S = 0.010
SIGMAS = 4

each_regime = pytest.mark.parametrize("regime", REGIMES.values(), ids=REGIMES)


def awake(regime: Regime, seed: int = 0) -> Machine:
    machine = Machine("test/0", regime)
    machine.wake(seed)
    return machine


def slowness(machine: Machine, tokens: int) -> Floats:
    """The log of how much longer each token took than undisturbed; the first is the prefill."""
    stamps = machine.work(np.full(tokens, STEP_S))
    return np.log(np.diff(stamps, prepend=0.0) / STEP_S)


def assert_sd(values: Floats, expected: float) -> None:
    """Within the bounds of independent normal values."""
    error = expected / math.sqrt(2 * (len(values) - 1))
    assert np.std(values, ddof=1) == pytest.approx(expected, abs=SIGMAS * error)


def test_an_ideal_machine_takes_exactly_the_undisturbed_time() -> None:
    machine = awake(IDEAL)

    assert machine.work(np.array([0.5, 0.25, 0.25])).tolist() == [0.5, 0.75, 1.0]
    assert machine.clock_s == 1.0


@each_regime
def test_a_trial_as_a_whole_varies_by_the_trial_cv(regime: Regime) -> None:
    machine = awake(replace(IDEAL, trial_cv=regime.trial_cv))
    trials = np.array([slowness(machine, 3) for _ in range(2000)])

    assert np.ptp(trials, axis=1) == pytest.approx(0.0, abs=1e-9)  # the prefill with the steps
    assert_sd(trials[:, 0], regime.trial_cv)
    assert abs(trials[:, 0].mean()) < SIGMAS * regime.trial_cv / math.sqrt(2000)


@each_regime
def test_tokens_vary_by_the_token_cv_and_resemble_their_neighbours(regime: Regime) -> None:
    machine = awake(replace(IDEAL, token_cv=regime.token_cv, token_phi=regime.token_phi))
    trials = np.array([slowness(machine, 101) for _ in range(2000)])

    assert trials[:, 0] == pytest.approx(0.0, abs=1e-9)  # a prefill is no token
    assert_sd(trials[:, 1], regime.token_cv)  # from the first step on
    assert_sd(trials[:, 100], regime.token_cv)
    product = trials[:, 1] * trials[:, 2]
    error = regime.token_cv**2 * math.sqrt((1 + regime.token_phi**2) / 2000)
    expected = regime.token_phi * regime.token_cv**2
    assert product.mean() == pytest.approx(expected, abs=SIGMAS * error)


@each_regime
def test_drift_has_its_sd_and_is_forgotten_with_its_time_constant(regime: Regime) -> None:
    only_drift = replace(IDEAL, drift_sd=regime.drift_sd, drift_tau_s=regime.drift_tau_s)
    first, later = [], []
    for seed in range(2000):
        machine = awake(only_drift, seed)
        first.append(slowness(machine, 1)[0])
        machine.idle(regime.drift_tau_s)
        later.append(slowness(machine, 1)[0])

    assert_sd(np.array(first), regime.drift_sd)
    assert_sd(np.array(later), regime.drift_sd)
    kept = math.exp(-1)
    error = math.sqrt((1 + kept**2) / 2000)
    product = np.mean(np.array(first) * np.array(later)) / regime.drift_sd**2
    assert product == pytest.approx(kept, abs=SIGMAS * error)


def test_drift_moves_within_a_trial_as_it_does_between_trials() -> None:
    """Over one time constant of work, e⁻¹ of it is left, as over one of waiting."""
    only_drift = replace(IDEAL, drift_sd=0.01, drift_tau_s=100 * STEP_S)
    trials = np.array([slowness(awake(only_drift, seed), 101) for seed in range(2000)])

    assert_sd(trials[:, 100], 0.01)
    product = np.mean(trials[:, 0] * trials[:, 100]) / 0.01**2
    error = math.sqrt((1 + math.exp(-2)) / 2000)
    assert product == pytest.approx(math.exp(-1), abs=SIGMAS * error)


@each_regime
def test_warming_slows_each_machine_by_its_share_of_the_ramp(regime: Regime) -> None:
    only_ramp = replace(IDEAL, ramp=regime.ramp, ramp_tau_s=regime.ramp_tau_s)
    shares = []
    for seed in range(2000):
        machine = awake(only_ramp, seed)
        assert slowness(machine, 1)[0] == pytest.approx(0.0, abs=1e-9)  # still cold
        machine.idle(20 * regime.ramp_tau_s)
        shares.append(slowness(machine, 1)[0] / regime.ramp)

    low, high = RAMP_SHARES
    assert low - 1e-6 < min(shares) < low + 0.01
    assert high - 0.01 < max(shares) < high + 1e-6
    error = (high - low) / math.sqrt(12 * 2000)
    assert np.mean(shares) == pytest.approx((low + high) / 2, abs=SIGMAS * error)


def test_after_one_time_constant_all_but_a_share_of_1_over_e_of_the_ramp_is_there() -> None:
    machine = awake(replace(IDEAL, ramp=0.1, ramp_tau_s=60.0))
    machine.idle(60.0)
    after_one = slowness(machine, 1)[0]
    machine.idle(6000.0)

    assert after_one / slowness(machine, 1)[0] == pytest.approx(1 - math.exp(-1), rel=1e-9)


@each_regime
def test_stalls_come_at_their_rate_and_last_as_long_as_stated(regime: Regime) -> None:
    machine = awake(
        replace(IDEAL, stalls_per_s=regime.stalls_per_s, stall_median_s=regime.stall_median_s)
    )
    step_s = 0.001 / regime.stalls_per_s  # two stalls in one step are rare
    steps = 1_000_000
    extra = np.diff(machine.work(np.full(steps, step_s)), prepend=0.0) - step_s
    lengths = extra[extra > 1e-6]

    expected = 0.001 * steps  # 1,000 stalls in 1,000 times their mean distance
    assert len(lengths) == pytest.approx(expected, abs=SIGMAS * math.sqrt(expected))
    assert_sd(np.log(lengths), STALL_LOG_SD)
    error = STALL_LOG_SD / math.sqrt(len(lengths))
    assert np.mean(np.log(lengths)) == pytest.approx(
        math.log(regime.stall_median_s), abs=SIGMAS * error
    )


def test_another_name_or_another_first_seed_gives_other_noise() -> None:
    typical = REGIMES["typical"]

    def first_trial(name: str, seed: int) -> list[float]:
        machine = Machine(name, typical)
        machine.wake(seed)
        return [float(stamp) for stamp in machine.work(np.full(8, STEP_S))]

    again = first_trial("typical/1", 0)
    assert first_trial("typical/1", 0) == again
    assert first_trial("typical/2", 0) != again
    assert first_trial("quiet/1", 0) != again
    assert first_trial("typical/1", 1) != again


def test_only_the_first_seed_matters() -> None:
    machine, other = awake(REGIMES["typical"], 5), awake(REGIMES["typical"], 5)
    other.wake(6)

    assert slowness(machine, 9).tolist() == slowness(other, 9).tolist()
