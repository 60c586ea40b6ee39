"""Virtual machines: a clock that only work and waiting move, and the noise of one regime.

A machine lives as long as somebody uses it: `join` makes it when its first user comes, and it is
forgotten when the last one leaves. Whoever joins by the same name in between shares its clock and
noise, and who starts afterwards starts anew.

Its noise is drawn at the first trial, from the machine's name and that trial's seed: the name says
which machine it is, the first seed on which day. So equal calls give equal trials, while sessions
in processes of their own meet the machine on different days, provided that they start from
different seeds.
"""

from __future__ import annotations

import numpy as np

from mlxbench.engines.sim.noise import Floats, Noise
from mlxbench.engines.sim.regimes import REGIMES, Regime

IDEAL = Regime(
    token_cv=0.0,
    token_phi=0.0,
    trial_cv=0.0,
    drift_sd=0.0,
    drift_tau_s=1.0,
    ramp=0.0,
    ramp_tau_s=1.0,
    stalls_per_s=0.0,
    stall_median_s=0.0,
)
MACHINES = {"ideal": IDEAL, **REGIMES}

_alive: dict[str, Machine] = {}


def join(name: str) -> Machine:
    """The machine called REGIME/SEED, made now unless somebody uses it already."""
    if name not in _alive:
        _alive[name] = Machine(name, MACHINES[name.partition("/")[0]])
    machine = _alive[name]
    machine.users += 1
    return machine


def leave(machine: Machine) -> None:
    """One user less; a machine without users is forgotten."""
    machine.users -= 1
    if machine.users == 0:
        del _alive[machine.name]


class Machine:
    """A virtual clock, and the noise of whatever runs by it.

    `latest_step_s` is the mean step of the latest trial that had steps after its first token.
    """

    def __init__(self, name: str, regime: Regime) -> None:
        self.name = name
        self.users = 0
        self.clock_s = 0.0
        self.latest_step_s: float | None = None
        self._regime = regime
        self._noise: Noise | None = None

    def wake(self, seed: int) -> np.random.Generator:
        """The machine's random numbers; the first trial's `seed` starts them."""
        if self._noise is None:
            random = np.random.default_rng([*self.name.encode(), seed])
            self._noise = Noise(self._regime, random, self.clock_s)
        return self._noise.random

    def idle(self, seconds: float) -> None:
        """Let time pass."""
        self.clock_s += seconds

    def work(self, undisturbed: Floats) -> Floats:
        """One trial whose tokens would take `undisturbed` seconds: when each came, [tokens]."""
        assert self._noise is not None, "wake comes first"
        seconds = self._noise.durations(self.clock_s, undisturbed)
        self.clock_s += float(seconds.sum())
        if len(seconds) > 1:
            self.latest_step_s = float(seconds[1:].mean())
        return np.cumsum(seconds)
