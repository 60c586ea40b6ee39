"""The steps in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlxbench import environment, roofline
from mlxbench.environment import macos
from mlxbench.environment.gpu_users import collect_gpu_use
from mlxbench.lab import bandwidth, discovery
from mlxbench.lab.device_checks import asynchrony, two_backends
from mlxbench.lab.device_checks import costs as cost_facts
from mlxbench.lab.device_checks import ties as tie_facts
from mlxbench.selftest import clock, collectors, costs, kernels, models, ties, traps
from mlxbench.selftest.bench import Bench
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.scale import TINY_MIXTURE, label, recipes

MEMORY_SHARE = 16  # of the usable memory, for the array that the bandwidth is measured with
VALUE_BYTES = 4
LAUNCH_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """A step that is still to be done."""

    title: str
    run: Callable[[Bench], Iterator[Checked]]


def planned(shared: Bench) -> list[Planned]:
    """Every step, the quick ones first: what they measure the others need."""
    made = recipes(shared.shapes, shared.scale, shared.on_cpu, shared.usable_bytes)
    tiny = next(recipe for recipe in made if recipe.name == TINY_MIXTURE)
    return [
        Planned("clock", lambda _: clock.grain()),
        Planned("waiting for the device", _traps),
        Planned("bandwidth and launches", _costs),
        Planned("environment", _collectors),
        *(Planned(label(recipe), partial(models.model, recipe=recipe)) for recipe in made),
        Planned("the engine's parts", partial(models.parts_of_the_engine, recipe=tiny)),
        Planned("processes and the store", partial(models.around_the_engine, recipe=tiny)),
        *(
            Planned(kernels.topic(place.name), partial(_kernel, place=place))
            for place in discovery.places(discovery.builtin_folder())
        ),
        Planned("ties", _ties),
        Planned(
            "clock, over the whole time", lambda bench: clock.pace(bench.begin, clock.moment())
        ),
    ]


def _traps(shared: Bench) -> Iterator[Checked]:
    piece = asynchrony.work()
    calls = asynchrony.Calls()
    found = [asynchrony.measure(piece, calls) for _ in range(shared.scale.repeats)]
    return traps.check(found, piece.operations)


def _costs(shared: Bench) -> Iterator[Checked]:
    values = None
    if shared.usable_bytes is not None and not shared.on_cpu:
        values = min(bandwidth.GPU_VALUES, shared.usable_bytes // (MEMORY_SHARE * VALUE_BYTES))
    measured = bandwidth.measure(values)
    stated = roofline.bandwidth_of(shared.environment)
    judged = costs.bandwidth(measured, stated)
    yield judged
    shared.ceiling = costs.Ceiling(max(measured.high, stated or 0.0), judged.passed is not None)
    launch = cost_facts.launch(LAUNCH_REPEATS * shared.scale.repeats)
    yield costs.launch(launch.median_s, launch.seconds)
    yield costs.round_trip(cost_facts.round_trip())


def _collectors(shared: Bench) -> Iterator[Checked]:
    yield from collectors.check(shared.environment, sys.platform)
    began = time.perf_counter()
    now = environment.conditions_now(shared.environment)
    yield collectors.speed(time.perf_counter() - began)
    yield collectors.gpu_users(collect_gpu_use(), sys.platform)
    if sys.platform == "darwin":
        yield collectors.sleep_setting(macos.collect_sleep_minutes())
    yield from collectors.conditions(now)


def _kernel(shared: Bench, place: Path) -> Iterator[Checked]:
    """Loaded only here: a folder that does not load is one failed step."""
    found = discovery.load(place)
    device, runner = shared.runners()
    if not found.experiment.kernels:
        yield from kernels.check_kernel(found, device or two_backends.PLAIN, None, shared.scale)
    elif isinstance(runner, str):
        yield kernels.missing_runner(found, runner)
        if device is not None:
            yield from kernels.check_kernel(found, device, None, shared.scale)
    else:
        other = None if device is None else runner
        yield from kernels.check_kernel(found, device or runner, other, shared.scale)


def _ties(_: Bench) -> Iterator[Checked]:
    yield from ties.check(tie_facts.orders())
    yield ties.router(tie_facts.router_rule())
