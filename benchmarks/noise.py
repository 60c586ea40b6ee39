"""Trials of two arms on a virtual machine, thousands of experiments at a time.

An **experiment** is a row of trials run one after another on a machine of some regime (the model
and its parameters: `mlxbench.engines.sim.regimes`). A trial is 256 tokens of 10 ms and 0.44 s for
everything else, so 3 s. Which arm runs when is an array of 0 (arm A) and 1 (arm B), one row per
experiment; what happens to a machine besides its regime's noise is a **shift**, an array of the
same shape that is added to ln(pace).

Simplification: trials begin every 3 s by the clock, however long the one before really took.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from mlxbench.engines.sim.regimes import RAMP_SHARES, STALL_LOG_SD, Regime

Floats = NDArray[np.float64]
Arms = NDArray[np.int64]

TOKENS = 256
ITL_S = 0.010
OTHER_S = 0.44
TRIAL_S = TOKENS * ITL_S + OTHER_S
AT_ONCE = 4_000  # trials, whose tokens are some megabytes


@dataclass(frozen=True, slots=True)
class Trials:
    """For each trial of each experiment: its gaps' mean, median and variance, in seconds."""

    mean: Floats
    median: Floats
    variance: Floats

    @property
    def seconds(self) -> Floats:
        """How long each trial took."""
        return self.mean * TOKENS + OTHER_S


def simulate(draw: np.random.Generator, regime: Regime, shifts: Floats) -> Trials:
    """Run one trial for each element of `shifts`, a row after another time on a fresh machine."""
    experiments, trials = shifts.shape
    pace = np.log(ITL_S) + shifts + _machine(draw, regime, experiments, trials)
    rows = max(1, AT_ONCE // trials)
    parts = [_gaps(draw, regime, pace[at : at + rows]) for at in range(0, experiments, rows)]
    return Trials(
        mean=np.concatenate([gaps.mean(axis=2, dtype=np.float64) for gaps in parts]),
        median=np.concatenate([np.median(gaps, axis=2) for gaps in parts]).astype(np.float64),
        variance=np.concatenate([gaps.var(axis=2, dtype=np.float64) for gaps in parts]),
    )


def _machine(draw: np.random.Generator, regime: Regime, experiments: int, trials: int) -> Floats:
    """What a whole trial shares: drift, warming and its own luck."""
    kept = np.exp(-TRIAL_S / regime.drift_tau_s)
    steps = draw.standard_normal((experiments, trials)) * regime.drift_sd
    steps[:, 1:] *= np.sqrt(1 - kept**2)
    drift: Floats = lfilter([1.0], [1.0, -kept], steps, axis=1)
    warming = regime.ramp * (1 - np.exp(-starts(trials) / regime.ramp_tau_s))
    warming = warming * draw.uniform(*RAMP_SHARES, (experiments, 1))
    luck = draw.standard_normal((experiments, trials)) * regime.trial_cv
    return drift + warming + luck


def _gaps(draw: np.random.Generator, regime: Regime, pace: Floats) -> NDArray[np.float32]:
    """The gaps between the tokens of trials whose ln(pace) is given."""
    innovation = np.float32(regime.token_cv * np.sqrt(1 - regime.token_phi**2))
    noise = draw.standard_normal((*pace.shape, TOKENS), dtype=np.float32) * innovation
    noise[..., 0] *= np.float32(regime.token_cv) / innovation
    recursion = np.array([1, -regime.token_phi], np.float32)
    noise = lfilter(np.ones(1, np.float32), recursion, noise, axis=2)
    gaps: NDArray[np.float32] = np.exp(noise + pace[..., None].astype(np.float32))
    stalls = draw.poisson(gaps.size * ITL_S * regime.stalls_per_s)
    lengths = draw.lognormal(np.log(regime.stall_median_s), STALL_LOG_SD, stalls)
    np.add.at(gaps.reshape(-1), draw.integers(0, gaps.size, stalls), lengths.astype(np.float32))
    return gaps


def starts(trials: int) -> Floats:
    """When each trial begins, in seconds."""
    return np.arange(trials, dtype=np.float64) * TRIAL_S
