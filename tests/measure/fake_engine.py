"""An engine with a script instead of a device: time passes only as the script says."""

from __future__ import annotations

from collections.abc import Callable

from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Failed,
    Options,
    Target,
    Task,
    Timed,
    Trial,
)

DECODE = Arm(Target("fake", "scripted", "nowhere"), Timed("decode", 16, 5))


def trial(pace_s: float, steps: int = 5) -> Completed:
    """A completed decode whose tokens arrive `pace_s` apart, the first after one second."""
    stamps = tuple(1 + step * pace_s for step in range(steps))
    return Completed("virtual", stamps, stamps[-1], 16, steps, 1, "length")


class ScriptedLoaded:
    """Runs trials by calling `script` with the seed; its clock moves by each trial's duration."""

    checkpoint: Checkpoint | None = None

    def __init__(self, script: Callable[[int], Trial]) -> None:
        self._script = script
        self._now = 100.0
        self.seeds: list[int] = []
        self.closed = False

    def run(self, task: Task, options: Options, seed: int) -> Trial:
        self.seeds.append(seed)
        result = self._script(seed)
        self._now += result.duration_s or 0.0
        return result

    def clock(self) -> float:
        return self._now

    def close(self) -> None:
        self.closed = True


FAILURE = Failed("engine_error", "scripted", 1.0)
