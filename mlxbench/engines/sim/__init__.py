"""A simulated engine: arms of known speed on virtual machines of known noise, without sleeping.

It answers what no real machine can, because there nobody knows the truth: does a comparison find a
difference of 2 %, does it invent one, how long must one measure to see 1 %?

A target's location describes the arm: `itl=0.010,machine=typical/3` takes 10 ms per token on the
virtual machine of the regime `typical` with the seed 3. Arms that name the same machine share its
clock and noise while any of them is open, so drift, warming and stalls (see `regimes`) hit
whichever arm runs at that virtual time, as on a real machine. Budgets count that clock's seconds.

==========  ====================================================================================
itl         seconds per token after the first, undisturbed; required
prefill     seconds per prompt token until the first token (0.0005)
machine     REGIME/SEED; ideal has no noise, quiet, typical and hostile have more and more
            (typical/0)
load        virtual seconds that opening takes (2)
load_cv     per-load effect: the sd of the log of a factor on every duration, drawn anew at each
            load and kept while it is open (0)
carry       carry-over: the share of the latest trial's excess that slows this one. The excess is
            the log ratio of its measured mean step to this arm's own, whichever arm ran it; a
            trial without steps, as of a prefill, leaves none (0)
fail        probability that a trial ends as Failed, after its full time (0)
crash_at    the trial, counted from 0 in each load, from which on the engine raises (never)
stop_at     tokens after which the model ends its reply by itself (never)
memory      bytes that the arm is predicted to need, and the peak of each trial (256 MiB)
==========  ====================================================================================

A trial lasts its prompt's prefill (also in a decode trial, as on a server), its steps and a pause
of `trials.GAP_S`. Depth, batch size, mode, samplers and options change no durations.

Traps: equal calls give equal trials, so a repetition needs another machine or other trial seeds;
`machine` tells how a session in a process of its own differs from the next. The noise is that of
this numpy version: another may draw other numbers from the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlxbench.engines.sim import machine as machines
from mlxbench.engines.sim.noise import Floats
from mlxbench.engines.sim.spec import KEYS, Spec, parse
from mlxbench.engines.sim.trials import GAP_S, Lengths, completed, lengths
from mlxbench.errors import InputError, MeasurementError
from mlxbench.records import Arm, Checkpoint, Failed, Options, Request, Target, Trial

__all__ = ["KEYS", "SimLoaded", "open", "predict_memory"]


def predict_memory(target: Target, arms: Sequence[Arm]) -> int | None:
    """The bytes that the arm's description says. Raises InputError."""
    if any(arm.options.routing is not None for arm in arms):
        raise InputError(
            "the simulated engine has no routers to change", "leave the routing out of the arm"
        )
    return parse(target.location).memory_bytes


def open(target: Target) -> SimLoaded:  # noqa: A001 - the name that the Engine protocol gives it
    """Load the arm onto its virtual machine. Raises InputError."""
    return SimLoaded(parse(target.location))


class SimLoaded:
    """A simulated arm that is ready to run on its machine."""

    def __init__(self, spec: Spec) -> None:
        self.checkpoint: Checkpoint | None = None
        self._spec = spec
        self._machine = machines.join(spec.machine)
        self._machine.idle(spec.load_s)
        self._open = True
        self._load_factor: float | None = None
        self._trials = 0

    def run(self, task: Request, options: Options, seed: int) -> Trial:  # noqa: ARG002 - the protocol
        """One trial in virtual time. Raises MeasurementError where `crash_at` says so."""
        index, self._trials = self._trials, self._trials + 1
        if self._spec.crash_at is not None and index >= self._spec.crash_at:
            raise MeasurementError(
                f"the simulated engine crashed at trial {index}",
                "take crash_at out of the arm if this was not wanted",
            )
        random = self._machine.wake(seed)
        size = lengths(task, self._spec.stop_at)
        stamps = self._machine.work(self._undisturbed(size, random))
        self._machine.idle(GAP_S)
        trial = completed(task, size, stamps, self._spec.memory_bytes, seed)
        if random.random() < self._spec.fail:
            return Failed("engine_error", "a simulated failure", trial.duration_s)
        return trial

    def clock(self) -> float:
        """Seconds on the virtual machine's clock."""
        return self._machine.clock_s

    def close(self) -> None:
        """Leave the machine, which is forgotten when nobody is left."""
        if self._open:
            self._open = False
            machines.leave(self._machine)

    def _undisturbed(self, size: Lengths, random: np.random.Generator) -> Floats:
        """Seconds for each token of a trial, but for the machine's noise: shape [tokens]."""
        if self._load_factor is None:
            self._load_factor = math.exp(self._spec.load_cv * random.standard_normal())
        step_s = self._spec.itl_s * self._load_factor
        latest_s = self._machine.latest_step_s
        excess = 0.0 if latest_s is None else math.log(latest_s / step_s)
        slowed = self._load_factor * math.exp(self._spec.carry * excess)
        seconds = np.full(size.generated, slowed * self._spec.itl_s)
        seconds[0] = slowed * self._spec.prefill_s * size.prompt
        return seconds
