"""Everything that a session needs in memory at once: its targets, each opened a single time.

Targets of this interpreter are opened in this process for a single session, and in a worker
process where a session must begin afresh or another interpreter was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from mlxbench import engines, environment
from mlxbench.engines.protocol import Loaded
from mlxbench.http_client import parse_address
from mlxbench.measure.memory import needed_bytes
from mlxbench.measure.remote import Worker
from mlxbench.records import Arm, Environment, Target


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded target, how long loading took on its own clock, and what it runs on.

    `predicted_bytes` of memory are for it and the other `resident` models together.
    """

    loaded: Loaded
    load_s: float
    environment: Environment
    predicted_bytes: int | None = None
    resident: tuple[str, ...] = ()


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
            needed = needed_bytes(target, arms)
            if fresh or target.python is not None:
                if target.python not in workers:
                    workers[target.python] = stack.enter_context(Worker(target.python))
                found[target] = _open_in(workers[target.python], target, needed)
            else:
                found[target] = open_here(target, needed)
            stack.callback(found[target].loaded.close)
        aware = _by_process(found)
        yield {arm.target: aware[arm.target] for arm in arms}


def sharing_memory(held: Mapping[Target, Opened]) -> dict[Target, Opened]:
    """Opened targets of one process, each with the names of the others and the need of all."""
    sizes = [one.predicted_bytes for one in held.values()]
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    return {
        target: replace(
            one,
            predicted_bytes=total,
            resident=tuple(other.model for other in held if other != target),
        )
        for target, one in held.items()
    }


def _by_process(found: Mapping[Target, Opened]) -> dict[Target, Opened]:
    """Whatever has a footprint here knows what shares its process's memory."""
    aware = dict(found)
    weighty = {target: one for target, one in found.items() if one.predicted_bytes is not None}
    for python in {target.python for target in weighty}:
        own = {target: one for target, one in weighty.items() if target.python == python}
        aware |= sharing_memory(own)
    return aware


def environment_of(target: Target) -> Environment:
    """What a target of this process runs on; a simulated or a remote one on nothing known."""
    return Environment() if target.engine == "sim" or _elsewhere(target) else environment.collect()


def _elsewhere(target: Target) -> bool:
    """Whether a server is on another machine, which only `allow_remote` makes possible."""
    if not target.allow_remote:
        return False
    return not parse_address(target.location, default_port=80, allow_remote=True).is_loopback


def open_here(target: Target, needed: int | None) -> Opened:
    """A target in this process, which will need so many bytes; whoever asks closes it."""
    before = environment_of(target)  # loading is itself a load on the machine
    loaded, load_s = engines.timed_open(target)
    return Opened(loaded, load_s, before, needed)


def _open_in(worker: Worker, target: Target, needed: int | None) -> Opened:
    remote = worker.open(target)
    return Opened(remote, remote.load_s, remote.environment, needed)
