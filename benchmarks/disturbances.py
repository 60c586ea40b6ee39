"""What can happen to a machine besides its usual noise, and what favours neither arm in truth.

Each is a function of a source of random numbers and of who runs when, and returns what is added to
ln(pace) in each trial (`benchmarks.noise`). Sizes are those of an ugly day, not of a usual one.
"""

from __future__ import annotations

import numpy as np

from benchmarks.noise import TRIAL_S, Arms, Floats, starts

THROTTLE = 0.10
STEP = 0.05
CARRY_OVER = 0.01
PERIODIC = 0.02
LOAD_LUCK = 0.003


def throttling(_: np.random.Generator, arms: Arms) -> Floats:
    """The machine gets hot and slows down steadily, by 10 % from the first trial to the last."""
    times = starts(arms.shape[1])
    slower: Floats = np.log1p(THROTTLE) * times / times[-1]
    return np.broadcast_to(slower, arms.shape)


def step_shock(draw: np.random.Generator, arms: Arms) -> Floats:
    """At some moment the machine becomes 5 % slower or faster, and stays so."""
    experiments, trials = arms.shape
    moment = draw.uniform(0, trials, (experiments, 1))
    size = np.log1p(STEP) * draw.choice([-1, 1], (experiments, 1))
    shifts: Floats = size * (np.arange(trials) >= moment)
    return shifts


def carry_over(_: np.random.Generator, arms: Arms) -> Floats:
    """Whatever runs right after B is 1 % slower, B itself included."""
    after_b = np.zeros(arms.shape, dtype=np.float64)
    after_b[:, 1:] = np.log1p(CARRY_OVER) * arms[:, :-1]
    return after_b


def resonance(draw: np.random.Generator, arms: Arms) -> Floats:
    """Something takes 2 % for half of every four trials, a block's length, in any phase."""
    return _periodic(draw, arms, np.full((len(arms), 1), 4 * TRIAL_S))


def any_period(draw: np.random.Generator, arms: Arms) -> Floats:
    """Something takes 2 % for half of every period, from 5 to 40 s long."""
    return _periodic(draw, arms, draw.uniform(5.0, 40.0, (len(arms), 1)))


def load_luck(draw: np.random.Generator, arms: Arms) -> Floats:
    """Each arm's load is dealt its own pace, by 0.3 %, for as long as it stays loaded."""
    dealt = draw.standard_normal((len(arms), 2)) * LOAD_LUCK
    return np.take_along_axis(dealt, arms, axis=1)


def _periodic(draw: np.random.Generator, arms: Arms, periods: Floats) -> Floats:
    phases = draw.uniform(0, 1, periods.shape)
    busy = (starts(arms.shape[1]) / periods + phases) % 1 < 0.5
    return np.where(busy, np.log1p(PERIODIC), 0.0)
