"""One machine's noise as time goes by: the formula of `regimes`, token by token.

Drift and warming are those of the moment at which a token starts. That moment, and how far the
drift has moved since the last one, are taken from undisturbed durations: a few per cent of noise on
the spacing of points along a curve that needs minutes to bend.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlxbench.engines.sim.regimes import RAMP_SHARES, STALL_LOG_SD, Regime

Floats = NDArray[np.float64]


class Noise:
    """The noise of one machine from `now_s` on, drawn from `random` as trials ask for it."""

    def __init__(self, regime: Regime, random: np.random.Generator, now_s: float) -> None:
        self.regime = regime
        self.random = random
        self._ramp = regime.ramp * random.uniform(*RAMP_SHARES)
        self._drift = regime.drift_sd * random.standard_normal()
        self._drift_at_s = now_s

    def durations(self, start_s: float, undisturbed: Floats) -> Floats:
        """Seconds for each token of a trial; both arrays have the shape [tokens].

        The first token takes the prefill, each further one a step. The noise of single tokens is
        that of steps; all the rest hits both.
        """
        slowness = self._drifting(start_s, undisturbed) + self._warming(start_s, undisturbed)
        slowness += self.regime.trial_cv * self.random.standard_normal()
        slowness[1:] += self._token_noise(len(undisturbed) - 1)
        seconds = undisturbed * np.exp(slowness)
        seconds += self._stalls(seconds)
        self._drift_at_s = start_s + float(seconds.sum())
        return seconds

    def _drifting(self, start_s: float, undisturbed: Floats) -> Floats:
        elapsed = np.concatenate(([start_s - self._drift_at_s], undisturbed[:-1]))
        keep = np.exp(-elapsed / self.regime.drift_tau_s)
        values = _autoregression(self.random, self._drift, keep, self.regime.drift_sd)
        self._drift = float(values[-1])
        return values

    def _warming(self, start_s: float, undisturbed: Floats) -> Floats:
        starts = start_s + np.cumsum(undisturbed) - undisturbed
        return -self._ramp * np.expm1(-starts / self.regime.ramp_tau_s)

    def _token_noise(self, steps: int) -> Floats:
        keep = np.full(steps, self.regime.token_phi)
        keep[:1] = 0.0  # the first step owes nothing to the trial before
        return _autoregression(self.random, 0.0, keep, self.regime.token_cv)

    def _stalls(self, seconds: Floats) -> Floats:
        """How long stalls hold up each of the stretches `seconds`."""
        counts = self.random.poisson(self.regime.stalls_per_s * seconds)
        normal = self.random.standard_normal(int(counts.sum()))
        lengths = self.regime.stall_median_s * np.exp(STALL_LOG_SD * normal)
        stalls = np.zeros(len(seconds))
        np.add.at(stalls, np.repeat(np.arange(len(seconds)), counts), lengths)
        return stalls


def _autoregression(
    random: np.random.Generator, value: float, keep: Floats, spread: float
) -> Floats:
    """AR(1) after `value`: each keeps `keep[i]` of the one before and has the sd `spread`."""
    shocks = spread * np.sqrt(1.0 - keep * keep) * random.standard_normal(len(keep))
    values = []
    # numpy has no function for a recursion; on floats this is quicker than importing scipy's.
    for kept, shock in zip(keep.tolist(), shocks.tolist(), strict=True):
        value = kept * value + shock
        values.append(value)
    return np.array(values, dtype=np.float64)
