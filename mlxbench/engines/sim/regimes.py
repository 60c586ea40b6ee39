"""How noisy machines are: the parameters of three virtual ones, from quiet to hostile.

The pace of a machine at time t, in seconds per token, is a product of four kinds of noise, with
stalls on top:

    pace(t) = itl · exp(drift(t) + warming(t) + trial + token) + stall

- `drift`: clocks and other work that come and go; an Ornstein-Uhlenbeck process, at any time normal
  with `drift_sd`, and forgotten with the time constant `drift_tau_s`.
- `warming`: heat slows a machine as it works: ramp · u · (1 - exp(-t/ramp_tau_s)), with u drawn
  once for each machine, uniform within `RAMP_SHARES`.
- `trial`: what one trial is dealt as a whole (memory layout, caches): normal with `trial_cv`.
- `token`: neighbouring tokens resemble each other; AR(1), normal with `token_cv` and the lag-1
  correlation `token_phi`.
- `stall`: now and then the system takes the device away: a Poisson process of `stalls_per_s`, each
  log-normal with the median `stall_median_s` and `STALL_LOG_SD`.

The trap: only `trial`, `token` and `stall` average out over trials. Drift and warming hit whatever
runs at that time, so arms that are measured one after the other differ by them however long they
are measured.
"""

from __future__ import annotations

from dataclasses import dataclass

RAMP_SHARES = (0.3, 1.5)
STALL_LOG_SD = 1.0


@dataclass(frozen=True, slots=True)
class Regime:
    """One machine's noise. Spreads are relative (0.01 is 1 %), times are in seconds."""

    token_cv: float
    token_phi: float
    trial_cv: float
    drift_sd: float
    drift_tau_s: float
    ramp: float
    ramp_tau_s: float
    stalls_per_s: float
    stall_median_s: float


REGIMES = {
    "quiet": Regime(
        token_cv=0.02,
        token_phi=0.5,
        trial_cv=0.003,
        drift_sd=0.003,
        drift_tau_s=60.0,
        ramp=0.005,
        ramp_tau_s=60.0,
        stalls_per_s=1 / 60,
        stall_median_s=0.03,
    ),
    "typical": Regime(
        token_cv=0.04,
        token_phi=0.7,
        trial_cv=0.006,
        drift_sd=0.008,
        drift_tau_s=90.0,
        ramp=0.02,
        ramp_tau_s=60.0,
        stalls_per_s=1 / 20,
        stall_median_s=0.03,
    ),
    "hostile": Regime(
        token_cv=0.08,
        token_phi=0.8,
        trial_cv=0.012,
        drift_sd=0.02,
        drift_tau_s=90.0,
        ramp=0.08,
        ramp_tau_s=120.0,
        stalls_per_s=1 / 8,
        stall_median_s=0.06,
    ),
}
