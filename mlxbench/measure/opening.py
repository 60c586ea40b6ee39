"""Everything that a session needs in memory at once: its targets, each opened a single time.

Targets of this interpreter are opened in this process for a single session, and in a worker
process where a session must begin afresh or another interpreter was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mlxbench import engines, environment
from mlxbench.engines.protocol import Loaded
from mlxbench.http_client import parse_address
from mlxbench.measure.remote import Worker
from mlxbench.records import Arm, Environment, Target


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded target, how long loading took on its own clock, and what it runs on."""

    loaded: Loaded
    load_s: float
    environment: Environment


@contextmanager
def opened(
    arms: Sequence[Arm], fresh: bool, on_loading: Callable[[Target], None]
) -> Iterator[dict[Target, Opened]]:
    """All different targets of `arms`, open until the block ends; `fresh`: in new processes.

    Servers come first: whether one is there and fit is known at once, and a model of this process
    may take minutes to load.
    """
    targets = sorted({arm.target: None for arm in arms}, key=lambda one: one.source != "server")
    workers: dict[str | None, Worker] = {}
    with ExitStack() as stack:
        found: dict[Target, Opened] = {}
        for target in targets:
            on_loading(target)
            if fresh or target.python is not None:
                if target.python not in workers:
                    workers[target.python] = stack.enter_context(Worker(target.python))
                found[target] = _open_in(workers[target.python], target)
            else:
                found[target] = _open_here(target)
            stack.callback(found[target].loaded.close)
        yield {arm.target: found[arm.target] for arm in arms}


def environment_of(target: Target) -> Environment:
    """What a target of this process runs on; a simulated or a remote one on nothing known."""
    return Environment() if target.engine == "sim" or _elsewhere(target) else environment.collect()


def _elsewhere(target: Target) -> bool:
    """Whether a server is on another machine, which only `allow_remote` makes possible."""
    if not target.allow_remote:
        return False
    return not parse_address(target.location, default_port=80, allow_remote=True).is_loopback


def _open_here(target: Target) -> Opened:
    before = environment_of(target)  # loading is itself a load on the machine
    loaded, load_s = engines.timed_open(target)
    return Opened(loaded, load_s, before)


def _open_in(worker: Worker, target: Target) -> Opened:
    remote = worker.open(target)
    return Opened(remote, remote.load_s, remote.environment)
