"""The trials of one arm, one after another, as records."""

from __future__ import annotations

from collections.abc import Iterator

from mlxbench.engines.protocol import Loaded
from mlxbench.environment.sleep import seconds_asleep, was_suspended
from mlxbench.measure.plan import Progress
from mlxbench.measure.recording import utc_now
from mlxbench.records import Arm, Completed, Failed, Phase, Probe, Trial, TrialRecord


def trials(
    loaded: Loaded, arm: Arm, progress: Progress, first_seed: int = 0
) -> Iterator[TrialRecord]:
    """Run `arm` until the plan is met; each trial is yielded as it ends and counted in `progress`.

    An interrupted trial is yielded as aborted before the interrupt goes on its way.
    """
    began = loaded.clock()
    sequence = 0
    while not progress.hopeless() and (progress.warming() or not progress.done()):
        phase: Phase = "warmup" if progress.warming() else "measured"
        started = utc_now()
        try:
            trial = run_trial(loaded, arm, seed=first_seed + sequence)
        except KeyboardInterrupt:
            yield TrialRecord(sequence, phase, started, Failed("aborted", "interrupted by Ctrl-C"))
            raise
        spent = loaded.clock() - began
        if sequence == 0 and progress.first_is_all(trial, spent):
            phase = "measured"
        progress.add(trial, phase, spent)
        yield TrialRecord(sequence, phase, started, trial)
        sequence += 1


def run_trial(loaded: Loaded, arm: Arm, seed: int) -> Trial:
    """One trial; one during which the machine slept is a failure."""
    assert not isinstance(arm.task, Probe), "a probe's replies are not repetitions of one trial"
    asleep = seconds_asleep()
    trial = loaded.run(arm.task, arm.options, seed)
    if isinstance(trial, Completed) and was_suspended(asleep, seconds_asleep()):
        return Failed("suspended", "the machine slept during the trial", trial.duration_s)
    return trial
