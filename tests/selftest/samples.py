"""Self-tests and answers that many tests look at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlxbench.records import Environment
from mlxbench.selftest import Checked, SelfTest, Step
from mlxbench.selftest.bench import Bench
from mlxbench.selftest.clock import Moment
from mlxbench.selftest.scale import QUICK

MAC = Environment(
    os="macOS",
    os_version="15.5",
    cpu="Apple M3 Ultra",
    accelerator="Apple M3 Ultra",
    accelerator_backend="metal",
    accelerator_cores=80,
    memory_bytes=512 << 30,
    versions={"mlxbench": "0.1.0", "mlx": "0.32.4"},
    load_1m=1.5,
    low_power_mode=False,
)
GOOD = Checked("clock", "resolution", True, "42 ns", "at most 10 µs", "fine", {"step_s": 4.2e-8})
BAD = Checked("kernel a", "check on metal", False, "3 of 4 passed", "all", "too far")
OPEN = Checked("ties", "argmax", None, "0", "", "as on the CPU")


def a_self_test(*checks: Checked) -> SelfTest:
    """A complete one of a Mac that nobody has."""
    return SelfTest(
        created_utc="2026-11-23T04:15:22+00:00",
        status="done",
        scale="full",
        environment=MAC,
        steps=(Step("clock", 1.5), Step("kernel a", 61.0)),
        checks=checks or (GOOD, BAD, OPEN),
    )


def a_bench(folder: Path) -> Bench:
    """What steps share, for steps that ask for none of it."""
    return Bench(QUICK, MAC, folder, Moment(0.0, 0.0, 0.0), {}, None)


def answers(checks: Iterable[Checked]) -> dict[str, bool | None]:
    """Each check's answer by its name."""
    return {one.name: one.passed for one in checks}


def only(checks: Iterable[Checked], name: str) -> Checked:
    """The one check of that name."""
    (found,) = [one for one in checks if one.name == name]
    return found
